package access

// Permission is one thing that may be done, named as in the list of permissions.
type Permission string

// What may be done inside a project.
const (
	ProjectRead          Permission = "project.read"          // enter the project; overview, settings, limits, members (read)
	ProjectUpdate        Permission = "project.update"        // name, description, auto settings
	ProjectDelete        Permission = "project.delete"        // start deletion (60-day grace)
	ProjectFeatures      Permission = "project.features"      // toggle user-manageable features
	ProjectTakeout       Permission = "project.takeout"       // run and download a data takeout
	AuditRead            Permission = "audit.read"            // audit of the project
	LimitsRequest        Permission = "limits.request"        // ask for a higher limit or an upgrade
	MembersInvite        Permission = "members.invite"        // invite, cancel an invitation
	MembersRemove        Permission = "members.remove"        // remove another member
	MembersRole          Permission = "members.role"          // change a role (never to Share)
	MembersGrantShare    Permission = "members.grantShare"    // grant Share; grant Production Manager
	JoinRequestsDecide   Permission = "joinRequests.decide"   // approve or reject a join request
	MembersLeave         Permission = "members.leave"         // leave the project
	TokensRead           Permission = "tokens.read"           // list tokens, token detail and events
	TokensCreate         Permission = "tokens.create"         // create a limited token
	TokensManage         Permission = "tokens.manage"         // edit, send, delete a limited token
	TokensRefresh        Permission = "tokens.refresh"        // new secret for a token
	StorageRead          Permission = "storage.read"          // list buckets and tables, preview, export
	BucketsWrite         Permission = "buckets.write"         // create, change, delete a bucket
	TablesWrite          Permission = "tables.write"          // create, load, alter, truncate, delete rows, drop, primary key, alias, metadata
	SnapshotsWrite       Permission = "snapshots.write"       // create, restore, copy, delete a snapshot; revert to a version
	FilesWrite           Permission = "files.write"           // upload, tag, delete own file
	FilesReadAll         Permission = "files.readAll"         // read every file
	FilesDeleteAll       Permission = "files.deleteAll"       // delete every file
	StorageJobsCancel    Permission = "storageJobs.cancel"    // cancel a storage job
	StorageJobsRead      Permission = "storageJobs.read"      // storage jobs and events
	CatalogRead          Permission = "catalog.read"          // see the data catalog
	CatalogShare         Permission = "catalog.share"         // share, unshare, edit sharing
	CatalogLink          Permission = "catalog.link"          // link or unlink a shared bucket
	ConfigsRead          Permission = "configs.read"          // configurations and versions
	ConfigsWrite         Permission = "configs.write"         // create, edit, copy, roll back, move to trash
	FlowsUpdate          Permission = "flows.update"          // name, schedule, disabled state of an existing flow
	TableTrashRestore    Permission = "tableTrash.restore"    // restore a dropped table or bucket
	TableTrashPurge      Permission = "tableTrash.purge"      // purge a dropped table or bucket for good
	TrashRestore         Permission = "trash.restore"         // list trash, restore
	TrashPurge           Permission = "trash.purge"           // delete from trash for good
	AuthLinksCreate      Permission = "authLinks.create"      // external authorization link
	JobsRun              Permission = "jobs.run"              // run a component, a flow, a transformation; retry
	JobsTerminate        Permission = "jobs.terminate"        // terminate a job
	JobsRead             Permission = "jobs.read"             // job list and detail
	VariablesWrite       Permission = "variables.write"       // production credentials in the variable store
	SubscriptionsWrite   Permission = "subscriptions.write"   // job and flow notification subscriptions
	BranchesWrite        Permission = "branches.write"        // create a branch, edit in it
	BranchesDelete       Permission = "branches.delete"       // delete a branch
	ProductionEdit       Permission = "production.edit"       // edit the production branch directly
	MergeRequestsOpen    Permission = "mergeRequests.open"    // open a merge request, ask for review
	MergeRequestsApprove Permission = "mergeRequests.approve" // approve (never one's own)
	MergeRequestsReject  Permission = "mergeRequests.reject"  // request changes
	MergeRequestsMerge   Permission = "mergeRequests.merge"   // merge
	GovernanceSettings   Permission = "governance.settings"   // required approvals, reviewers
)

// What may be done above projects: in an organization, a maintainer, the
// installation, with one's own account.
const (
	InstallationManage     Permission = "installation.manage"     // users, settings, templates, limits, mail queue, system jobs, announcements
	ProjectsUndelete       Permission = "projects.undelete"       // undelete, purge early, disable, change type, expiry, limits
	MaintainerRead         Permission = "maintainer.read"         // see a maintainer, its members, its organizations' names
	MaintainerManage       Permission = "maintainer.manage"       // invite, remove members; rename
	OrganizationsCreate    Permission = "organizations.create"    // create an organization in it
	OrganizationRead       Permission = "organization.read"       // detail, members, projects by name
	OrganizationName       Permission = "organization.name"       // see its name (settings of its projects)
	OrganizationManage     Permission = "organization.manage"     // rename, auto-join switch
	OrganizationMembers    Permission = "organization.members"    // invite, cancel, remove, leave
	OrganizationJoin       Permission = "organization.join"       // join it oneself
	OrganizationRequireMfa Permission = "organization.requireMfa" // require a second factor (own one needed)
	OrganizationBilling    Permission = "organization.billing"    // read and edit billing details
	OrganizationDelete     Permission = "organization.delete"     // delete when empty
	ProjectsCreate         Permission = "projects.create"         // create a project from a template
	ProjectsJoin           Permission = "projects.join"           // join any project of it
	ProjectsRequestAccess  Permission = "projects.requestAccess"  // ask to join (auto-join off)
	ProjectsMove           Permission = "projects.move"           // move a project to another organization (member of both)
	AccountOwn             Permission = "account.own"             // own profile, security, sessions, notifications, own events
	InvitationsOwn         Permission = "invitations.own"         // accept or decline an invitation to one's own address
	AuditProject           Permission = "audit.project"           // audit of a project
	AuditOrganization      Permission = "audit.organization"      // audit of an organization
	PublicPages            Permission = "public.pages"            // sign-in, activation, reset, token claim, health
)

// rule says under which condition a permission holds.
type rule uint8

const (
	no          rule = iota
	yes              // always
	own              // on one's own object
	branch           // only inside a development branch of a governed project
	branchOwn        // one's own object inside a development branch
	stateOnly        // enable, disable, move, schedule; not content
	ifOrgMember      // only when also a member of the organization
	join             // must join the project first
	autoJoin         // while the organization lets support join by itself
	noAutoJoin       // only while it does not
	asProject        // as the role in the project says
)

// inProject is who may do what inside a project. The columns are the seven roles and
// the member of the organization who is no member of the project.
var inProject = map[Permission][8]rule{
	//                         share        admin        guest      readOnly   developer  reviewer   prodManager  orgMember
	ProjectRead:          {yes, yes, yes, yes, yes, yes, yes, join},
	ProjectUpdate:        {yes, yes, no, no, no, no, yes, no},
	ProjectDelete:        {yes, yes, no, no, no, no, yes, no},
	ProjectFeatures:      {yes, yes, no, no, no, no, yes, no},
	ProjectTakeout:       {yes, yes, no, no, no, no, yes, no},
	AuditRead:            {yes, yes, no, no, no, no, yes, no},
	LimitsRequest:        {yes, yes, no, no, no, no, yes, no},
	MembersInvite:        {yes, yes, no, no, no, no, ifOrgMember, yes},
	MembersRemove:        {yes, yes, no, no, no, no, yes, yes},
	MembersRole:          {yes, yes, no, no, no, no, yes, yes},
	MembersGrantShare:    {ifOrgMember, ifOrgMember, no, no, no, no, ifOrgMember, yes},
	JoinRequestsDecide:   {yes, yes, no, no, no, no, yes, no},
	MembersLeave:         {yes, yes, yes, yes, yes, yes, yes, no},
	TokensRead:           {yes, yes, no, no, no, no, yes, no},
	TokensCreate:         {yes, yes, no, no, no, no, yes, no},
	TokensManage:         {yes, yes, no, no, no, no, yes, no},
	TokensRefresh:        {yes, yes, own, own, own, own, yes, no},
	StorageRead:          {yes, yes, yes, yes, yes, yes, yes, no},
	BucketsWrite:         {yes, yes, yes, no, branch, branch, no, no},
	TablesWrite:          {yes, yes, yes, no, branch, branch, no, no},
	SnapshotsWrite:       {yes, yes, yes, no, branch, branch, yes, no},
	FilesWrite:           {yes, yes, yes, no, yes, yes, yes, no},
	FilesReadAll:         {yes, yes, yes, yes, yes, yes, yes, no},
	FilesDeleteAll:       {yes, yes, yes, no, yes, yes, yes, no},
	StorageJobsCancel:    {yes, yes, yes, no, branchOwn, branchOwn, yes, no},
	StorageJobsRead:      {yes, yes, yes, yes, yes, yes, yes, no},
	CatalogRead:          {yes, yes, yes, no, yes, yes, yes, no},
	CatalogShare:         {yes, ifOrgMember, no, no, no, no, no, no},
	CatalogLink:          {yes, yes, yes, no, no, no, yes, no},
	ConfigsRead:          {yes, yes, yes, yes, yes, yes, yes, no},
	ConfigsWrite:         {yes, yes, yes, no, branch, branch, stateOnly, no},
	FlowsUpdate:          {yes, yes, no, no, no, no, yes, no},
	TableTrashRestore:    {yes, yes, yes, no, branch, branch, yes, no},
	TableTrashPurge:      {yes, yes, no, no, no, no, yes, no},
	TrashRestore:         {yes, yes, yes, no, branch, branch, yes, no},
	TrashPurge:           {yes, yes, no, no, no, no, yes, no},
	AuthLinksCreate:      {yes, yes, no, no, branch, branch, yes, no},
	JobsRun:              {yes, yes, yes, no, branch, branch, yes, no},
	JobsTerminate:        {yes, yes, yes, no, branchOwn, branchOwn, yes, no},
	JobsRead:             {yes, yes, yes, yes, yes, yes, yes, no},
	VariablesWrite:       {yes, yes, yes, no, no, no, yes, no},
	SubscriptionsWrite:   {yes, yes, yes, no, no, no, yes, no},
	BranchesWrite:        {yes, yes, yes, no, yes, yes, no, no},
	BranchesDelete:       {yes, yes, yes, no, yes, yes, yes, no},
	ProductionEdit:       {yes, yes, yes, no, no, no, stateOnly, no},
	MergeRequestsOpen:    {yes, yes, yes, no, yes, yes, no, no},
	MergeRequestsApprove: {yes, yes, no, no, no, yes, no, no},
	MergeRequestsReject:  {yes, yes, no, no, no, yes, yes, no},
	MergeRequestsMerge:   {yes, yes, no, no, no, no, yes, no},
	GovernanceSettings:   {yes, yes, no, no, no, no, yes, no},
}

// above is who may do what above projects.
var above = map[Permission][8]rule{
	//                       public, signedIn, invitee, projectMember, orgMember, maintainerMember, support, superAdmin
	InstallationManage:     {no, no, no, no, no, no, no, yes},
	ProjectsUndelete:       {no, no, no, no, no, no, no, yes},
	MaintainerRead:         {no, no, no, no, no, yes, yes, yes},
	MaintainerManage:       {no, no, no, no, no, yes, no, yes},
	OrganizationsCreate:    {no, no, no, no, no, yes, no, yes},
	OrganizationRead:       {no, no, no, no, yes, autoJoin, autoJoin, yes},
	OrganizationName:       {no, no, no, yes, yes, yes, yes, yes},
	OrganizationManage:     {no, no, no, no, yes, no, no, yes},
	OrganizationMembers:    {no, no, no, no, yes, no, no, yes},
	OrganizationJoin:       {no, no, no, no, no, autoJoin, autoJoin, autoJoin},
	OrganizationRequireMfa: {no, no, no, no, yes, no, no, no},
	OrganizationBilling:    {no, no, no, no, yes, no, no, yes},
	OrganizationDelete:     {no, no, no, no, yes, autoJoin, no, yes},
	ProjectsCreate:         {no, no, no, no, yes, autoJoin, no, yes},
	ProjectsJoin:           {no, no, no, no, yes, autoJoin, autoJoin, autoJoin},
	ProjectsRequestAccess:  {no, no, no, no, no, noAutoJoin, noAutoJoin, noAutoJoin},
	ProjectsMove:           {no, no, no, no, yes, yes, no, yes},
	AccountOwn:             {no, yes, yes, yes, yes, yes, yes, yes},
	InvitationsOwn:         {no, yes, yes, yes, yes, yes, yes, yes},
	AuditProject:           {no, no, no, asProject, no, no, no, yes},
	AuditOrganization:      {no, no, no, no, yes, no, no, yes},
	PublicPages:            {yes, yes, yes, yes, yes, yes, yes, yes},
}

// what each permission is, in words that follow "it does not let you".
var what = map[Permission]string{
	InstallationManage: "manage this installation",
	ProjectsUndelete:   "bring back, purge and disable projects, and change their limits",
	AccountOwn:         "change this account",
	InvitationsOwn:     "answer invitations",
	AuditProject:       "read the audit log of its projects",
	PublicPages:        "open public pages",

	MaintainerRead:         "see this maintainer",
	MaintainerManage:       "manage this maintainer and its members",
	OrganizationsCreate:    "create organizations",
	OrganizationRead:       "see this organization",
	OrganizationName:       "see the name of this organization",
	OrganizationManage:     "change this organization",
	OrganizationMembers:    "invite and remove its members",
	OrganizationJoin:       "join this organization",
	OrganizationRequireMfa: "require two-step sign-in of its people",
	OrganizationBilling:    "see its billing details",
	OrganizationDelete:     "delete this organization",
	ProjectsCreate:         "create projects in it",
	ProjectsJoin:           "join its projects",
	ProjectsRequestAccess:  "ask to join its projects",
	ProjectsMove:           "move its projects",
	AuditOrganization:      "read its audit log",

	ProjectRead:          "enter the project",
	ProjectUpdate:        "change the project's name, description and settings",
	ProjectDelete:        "delete the project",
	ProjectFeatures:      "switch features on and off",
	ProjectTakeout:       "take the data out",
	AuditRead:            "read the audit log",
	LimitsRequest:        "ask for a higher limit or an upgrade",
	MembersInvite:        "invite people and cancel invitations",
	MembersRemove:        "remove members",
	MembersRole:          "change people's roles",
	MembersGrantShare:    "grant the role Share or Production manager",
	JoinRequestsDecide:   "decide on requests to join",
	MembersLeave:         "leave the project",
	TokensRead:           "see tokens",
	TokensCreate:         "create tokens",
	TokensManage:         "change, send and delete tokens",
	TokensRefresh:        "give tokens a new secret",
	StorageRead:          "see, preview and export tables",
	BucketsWrite:         "create, change and delete buckets",
	TablesWrite:          "load, change and drop tables",
	SnapshotsWrite:       "make, restore, copy and delete snapshots, or revert to versions",
	FilesWrite:           "upload files",
	FilesReadAll:         "read files of others",
	FilesDeleteAll:       "delete files of others",
	StorageJobsCancel:    "cancel storage jobs",
	StorageJobsRead:      "see storage jobs and events",
	CatalogRead:          "see the data catalog",
	CatalogShare:         "share buckets",
	CatalogLink:          "link shared buckets",
	ConfigsRead:          "see configurations",
	ConfigsWrite:         "create and change configurations",
	FlowsUpdate:          "change the name, schedule and state of flows",
	TableTrashRestore:    "restore what was dropped",
	TableTrashPurge:      "purge the trash for good",
	TrashRestore:         "restore from the trash",
	TrashPurge:           "delete from the trash for good",
	AuthLinksCreate:      "create links for external authorization",
	JobsRun:              "run jobs",
	JobsTerminate:        "stop jobs",
	JobsRead:             "see jobs",
	VariablesWrite:       "set production credentials",
	SubscriptionsWrite:   "subscribe to notifications",
	BranchesWrite:        "create and edit branches",
	BranchesDelete:       "delete branches",
	ProductionEdit:       "edit production directly",
	MergeRequestsOpen:    "open merge requests",
	MergeRequestsApprove: "approve merge requests",
	MergeRequestsReject:  "request changes",
	MergeRequestsMerge:   "merge",
	GovernanceSettings:   "set approvals and reviewers",
}
