// Package paths builds the addresses of the console. Nothing else spells one out.
//
// Projects, files and jobs stand in an address by number, buckets and tables by their text ids ("in.c-crm.customers").
package paths

import (
	"net/url"
	"strconv"
)

// Account

// Login is the sign-in form. A non-empty next is where to go afterwards.
func Login(next string) string { return With("/login", "next", next) }

// Logout ends the session (POST).
func Logout() string { return "/logout" }

// SecondStep is the form for the second factor of a sign-in. A non-empty next is where to go afterwards.
func SecondStep(next string) string { return With("/mfa", "next", next) }

// Provider is where signing in by the provider begins (POST); opened, it is the sign-in form.
func Provider() string { return "/auth/google" }

// ProviderOffer asks whether an account is to be linked to what the provider says.
func ProviderOffer() string { return Provider() + "/link" }

// ProviderOfferMail mails a link that does so (POST).
func ProviderOfferMail() string { return ProviderOffer() + "/mail" }

// ProviderConfirm is the form that links the two, after the mailed link was opened.
func ProviderConfirm() string { return Provider() + "/confirm" }

// Activate is the form that activates an account, after its link was opened.
func Activate() string { return "/activate" }

// PasswordForgot is the form that asks for a link to a new password.
func PasswordForgot() string { return "/password/forgot" }

// PasswordReset is the form for a new password, after its link was opened.
func PasswordReset() string { return "/password/reset" }

// FactorLost is the form for the password of somebody who lost the second factor, after its link was opened.
func FactorLost() string { return "/two-step/lost" }

// Account is a person's own profile.
func Account() string { return "/account" }

// AccountAccess lists what one gets into oneself.
func AccountAccess() string { return "/account/access" }

// Security is how a person's own account is kept.
func Security() string { return "/account/security" }

// Password is the form that changes one's password.
func Password() string { return "/account/password" }

// TwoStep is the form that turns two-step sign-in on.
func TwoStep() string { return "/account/two-step" }

// TwoStepStart makes a new secret for it (POST).
func TwoStepStart() string { return "/account/two-step/start" }

// TwoStepDelete turns it off (POST).
func TwoStepDelete() string { return "/account/two-step/delete" }

// Identity is the form that links what the provider said before one signed in.
func Identity() string { return "/account/identity" }

// IdentityStart goes to the provider, to link who one is there (POST).
func IdentityStart() string { return Identity() + "/start" }

// IdentityDelete ends that one can sign in by the provider (POST).
func IdentityDelete() string { return Identity() + "/delete" }

// RecoveryCodes shows new recovery codes; new ones are made by a POST.
func RecoveryCodes() string { return "/account/recovery-codes" }

// RecoveryCodesFile is the codes as a text file.
func RecoveryCodesFile() string { return "/account/recovery-codes/download" }

// RecoveryCodesStored says that the codes are stored (POST).
func RecoveryCodesStored() string { return "/account/recovery-codes/stored" }

// Sessions is the list of one's own sessions; a POST ends all others.
func Sessions() string { return "/account/sessions" }

// SessionEnd ends one of them (POST).
func SessionEnd(session int64) string { return Sessions() + "/" + number(session) + "/end" }

// Invitations is the list of invitations to oneself.
func Invitations() string { return "/account/invitations" }

// Activity is what happened to one's own account.
func Activity() string { return "/account/activity" }

// Confirm asks a person to prove again who they are, and leads on to next.
func Confirm(next string) string { return With("/account/confirm", "next", next) }

// Administration

// Admin is where super admins begin: the list of people. New ones are posted here.
func Admin() string { return "/admin" }

// AdminUsers is where somebody new is posted to.
func AdminUsers() string { return Admin() + "/users" }

// AdminUser is one person.
func AdminUser(user int64) string { return AdminUsers() + "/" + number(user) }

// AdminUserAccess lists what one person gets into.
func AdminUserAccess(user int64) string { return AdminUser(user) + "/access" }

// AdminUserDo does one thing to a person's account (POST): link, disable, enable, reset-mfa, end-sessions, super-admin,
// no-super-admin.
func AdminUserDo(user int64, what string) string { return AdminUser(user) + "/" + what }

// AdminMails is the queue of mails.
func AdminMails() string { return Admin() + "/mails" }

// AdminMailRetry sends a dead mail again (POST).
func AdminMailRetry(mail int64) string { return AdminMails() + "/" + number(mail) + "/retry" }

// AdminProjects is the list of all projects.
func AdminProjects() string { return Admin() + "/projects" }

// AdminProject is one of them, with its life.
func AdminProject(project int64) string { return AdminProjects() + "/" + number(project) }

// AdminProjectDo does one thing to a project (POST): undelete, purge, purge/stop, disable, enable, expiry, type, terms.
func AdminProjectDo(project int64, what string) string { return AdminProject(project) + "/" + what }

// AdminTemplates is the list of templates; a new one is posted here.
func AdminTemplates() string { return Admin() + "/templates" }

// AdminTemplateNew is the form for a new one.
func AdminTemplateNew() string { return AdminTemplates() + "/new" }

// AdminTemplate is one of them, and where its form is posted to.
func AdminTemplate(template string) string { return AdminTemplates() + "/" + url.PathEscape(template) }

// AdminJobs is the list of the system's jobs.
func AdminJobs() string { return Admin() + "/jobs" }

// AdminAudit is the audit log of the installation.
func AdminAudit() string { return Admin() + "/audit" }

// AdminSettings are the settings of the installation.
func AdminSettings() string { return Admin() + "/settings" }

// ConfirmByProvider does so at the provider (POST).
func ConfirmByProvider() string { return "/account/confirm/provider" }

// Setup is the first-run form, opened with a one-use code.
func Setup(code string) string { return With("/setup", "code", code) }

// Theme keeps the choice of light, dark or system colours (POST).
func Theme() string { return "/account/theme" }

// Projects

// Projects is the list of projects, the front page.
func Projects() string { return "/" }

// Project is the overview of a project.
func Project(project int64) string { return "/projects/" + number(project) }

// Live is the event stream that keeps the named parts of an open page current.
func Live(project int64, parts ...string) string {
	q := url.Values{"part": parts}
	return Project(project) + "/live?" + q.Encode()
}

// Storage

// Storage is the list of buckets.
func Storage(project int64) string { return Project(project) + "/storage" }

// Buckets is where a new bucket is posted to.
func Buckets(project int64) string { return Storage(project) + "/buckets" }

// BucketNew is the form for a new bucket.
func BucketNew(project int64) string { return Buckets(project) + "/new" }

// Bucket is one bucket with its tables; changes to it are posted here.
func Bucket(project int64, bucket string) string {
	return Buckets(project) + "/" + url.PathEscape(bucket)
}

// BucketEdit is the form that changes a bucket's names and description.
func BucketEdit(project int64, bucket string) string { return Bucket(project, bucket) + "/edit" }

// Load is the first step of loading a file: choosing it. It is also where the file is posted to.
func Load(project int64) string { return Storage(project) + "/load" }

// LoadInto is Load with the target chosen before. An empty table leaves it open.
func LoadInto(project int64, bucket, table string) string {
	return With(Load(project), "bucket", bucket, "table", table)
}

// LoadFile is the second step of loading: checking how an uploaded file is read. The load is posted here.
func LoadFile(project, file int64) string { return Load(project) + "/" + number(file) }

// LoadFileCheck reads a whole file as a load would, and changes nothing (POST).
func LoadFileCheck(project, file int64) string { return LoadFile(project, file) + "/check" }

// FileDownload gives a file's own bytes.
func FileDownload(project, file int64) string {
	return Storage(project) + "/files/" + number(file) + "/download"
}

// Table is a table's list of columns, the first of its tabs.
func Table(project int64, table string) string {
	return Storage(project) + "/tables/" + url.PathEscape(table)
}

// TablePreview shows the first rows of a table.
func TablePreview(project int64, table string) string { return Table(project, table) + "/preview" }

// TableEvents lists what happened to a table.
func TableEvents(project int64, table string) string { return Table(project, table) + "/events" }

// Tables is where the definition of a new table is posted to.
func Tables(project int64) string { return Storage(project) + "/tables" }

// TableNew is the form that defines a table without rows.
func TableNew(project int64, bucket string) string {
	return With(Tables(project)+"/new", "bucket", bucket)
}

// TableSettings is a table's description, metadata and primary key, and what is done to it as a whole.
func TableSettings(project int64, table string) string { return Table(project, table) + "/settings" }

// TableDescription is where a table's description is posted to.
func TableDescription(project int64, table string) string {
	return Table(project, table) + "/description"
}

// Metadata is where a key and value on a table or its columns are posted to.
func Metadata(project int64, table string) string { return Table(project, table) + "/metadata" }

// MetadataChange is the form that notes a value on a column (by its field number; 0 = on the table), filled in with what
// stands under the key. An empty key leaves it open.
func MetadataChange(project int64, table string, field int64, key string) string {
	return With(TableSettings(project, table), "field", number(field), "note", key) + "#note"
}

// MetadataDelete removes a key (POST).
func MetadataDelete(project int64, table string) string { return Metadata(project, table) + "/delete" }

// TableKey is where a new primary key is posted to.
func TableKey(project int64, table string) string { return Table(project, table) + "/key" }

// TableKeyDelete removes the primary key (POST).
func TableKeyDelete(project int64, table string) string { return TableKey(project, table) + "/delete" }

// Columns is where a new column is posted to.
func Columns(project int64, table string) string { return Table(project, table) + "/columns" }

// ColumnChange is the list of columns with the forms that change one, by its field number.
func ColumnChange(project int64, table string, field int64) string {
	return With(Table(project, table), "column", number(field)) + "#change"
}

// ColumnRename gives a column another name (POST).
func ColumnRename(project int64, table string) string { return Columns(project, table) + "/rename" }

// ColumnDelete drops a column (POST).
func ColumnDelete(project int64, table string) string { return Columns(project, table) + "/delete" }

// RowsDelete is the form that deletes rows by conditions, and where it is posted to.
func RowsDelete(project int64, table string) string { return Table(project, table) + "/rows/delete" }

// TableTruncate deletes all rows (POST).
func TableTruncate(project int64, table string) string { return Table(project, table) + "/truncate" }

// TableDrop moves a table to the trash (POST).
func TableDrop(project int64, table string) string { return Table(project, table) + "/delete" }

// TableExport is the form that exports rows, and where it is posted to.
func TableExport(project int64, table string) string { return Table(project, table) + "/export" }

// TableVersions lists a table's versions.
func TableVersions(project int64, table string) string { return Table(project, table) + "/versions" }

// VersionCompare shows what two versions differ in.
func VersionCompare(project int64, table string, before, after int64) string {
	return With(VersionsCompare(project, table), "before", number(before), "after", number(after))
}

// VersionsCompare is the form that asks for two versions.
func VersionsCompare(project int64, table string) string {
	return TableVersions(project, table) + "/compare"
}

// VersionRevert shows what a revert would change; the revert is posted here.
func VersionRevert(project int64, table string, version int64) string {
	return TableVersions(project, table) + "/" + number(version) + "/revert"
}

// VersionCopy is the form that makes a table of a version, and where it is posted to.
func VersionCopy(project int64, table string, version int64) string {
	return TableVersions(project, table) + "/" + number(version) + "/copy"
}

// VersionPreview shows the rows of a version.
func VersionPreview(project int64, table string, version int64) string {
	return With(TablePreview(project, table), "version", number(version))
}

// TableSnapshots lists a table's snapshots; a new one is posted here.
func TableSnapshots(project int64, table string) string { return Table(project, table) + "/snapshots" }

// SnapshotRestore shows what restoring a snapshot would change; it is posted here.
func SnapshotRestore(project int64, table string, snapshot int64) string {
	return TableSnapshots(project, table) + "/" + number(snapshot) + "/restore"
}

// SnapshotCopy is the form that makes a table of a snapshot, and where it is posted to.
func SnapshotCopy(project int64, table string, snapshot int64) string {
	return TableSnapshots(project, table) + "/" + number(snapshot) + "/copy"
}

// SnapshotDelete deletes a snapshot (POST).
func SnapshotDelete(project int64, table string, snapshot int64) string {
	return TableSnapshots(project, table) + "/" + number(snapshot) + "/delete"
}

// RowOrigin is where a row of a version came from. The place is the row's, as the engine tells it.
func RowOrigin(project int64, table string, version int64, place string) string {
	return With(TablePreview(project, table), "version", number(version), "row", place) + "#origin"
}

// BucketDelete is the question whether a bucket may go, and where the answer is posted to.
func BucketDelete(project int64, bucket string) string { return Bucket(project, bucket) + "/delete" }

// ProjectAudit is the audit log of a project.
func ProjectAudit(project int64) string { return Project(project) + "/settings/audit" }

// ProjectSettings is what a project is.
func ProjectSettings(project int64) string { return Project(project) + "/settings/project" }

// ProjectLimits is what a project uses beside what is agreed for it.
func ProjectLimits(project int64) string { return Project(project) + "/settings/limits" }

// ProjectWish is where the people of a project ask for more of it.
func ProjectWish(project int64) string { return ProjectLimits(project) + "/ask" }

// ProjectAccess lists who can get into a project.
func ProjectAccess(project int64) string { return Project(project) + "/settings/access" }

// Members lists the people of a project.
func Members(project int64) string { return Project(project) + "/settings/users" }

// MembersInvite is the form that invites people to a project.
func MembersInvite(project int64) string { return Members(project) + "/invite" }

// MembersRemind asks the people of a project to turn on a second factor (POST).
func MembersRemind(project int64) string { return Members(project) + "/remind" }

// Member is one person of a project.
func Member(project, membership int64) string { return Members(project) + "/" + number(membership) }

// MemberRole tells what another role would make of a person of a project, and gives it (POST).
func MemberRole(project, membership int64) string { return Member(project, membership) + "/role" }

// MemberLastDay gives the time of a person in a project another end (POST).
func MemberLastDay(project, membership int64) string {
	return Member(project, membership) + "/last-day"
}

// MemberRemove tells what taking a person out of a project means, and does it (POST).
func MemberRemove(project, membership int64) string { return Member(project, membership) + "/remove" }

// MemberLeave takes oneself out of a project (POST).
func MemberLeave(project int64) string { return Members(project) + "/leave" }

// ProjectDelete asks whether a project may be deleted, and deletes it (POST).
func ProjectDelete(project int64) string { return ProjectSettings(project) + "/delete" }

// MemberInvited is one invitation to a project.
func MemberInvited(project, invitation int64) string {
	return Project(project) + "/settings/invitations/" + number(invitation)
}

// MemberInvitedAgain sends an invitation once more (POST).
func MemberInvitedAgain(project, invitation int64) string {
	return MemberInvited(project, invitation) + "/send"
}

// MemberInvitedCancel closes an invitation (POST).
func MemberInvitedCancel(project, invitation int64) string {
	return MemberInvited(project, invitation) + "/cancel"
}

// Requested is one request to join a project; approve and reject decide it (POST).
func Requested(project, request int64) string {
	return Project(project) + "/settings/requests/" + number(request)
}

// RequestApprove lets somebody in who asked (POST).
func RequestApprove(project, request int64) string { return Requested(project, request) + "/approve" }

// RequestReject refuses them (POST).
func RequestReject(project, request int64) string { return Requested(project, request) + "/reject" }

// Join is the form by which somebody enters a project who may, and where it is posted to.
func Join(project int64) string { return Project(project) + "/join" }

// Ask is the form by which somebody asks to be let into a project, and where it is posted to.
func Ask(project int64) string { return Project(project) + "/request" }

// AskCancel takes one's request back (POST).
func AskCancel(project int64) string { return Ask(project) + "/cancel" }

// ProjectMove is the form by which a project moves to another organization, and where it is posted to.
func ProjectMove(project int64) string { return Project(project) + "/move" }

// Organizations and maintainers

// Organization is an organization with its projects.
func Organization(organization int64) string { return "/organizations/" + number(organization) }

// OrganizationJoin makes oneself a member for a time.
func OrganizationJoin(organization int64) string { return Organization(organization) + "/join" }

// OrganizationJoinEnd ends that (POST).
func OrganizationJoinEnd(organization int64) string {
	return OrganizationJoin(organization) + "/end"
}

// OrganizationProjects is where a new project is posted to.
func OrganizationProjects(organization int64) string { return Organization(organization) + "/projects" }

// ProjectNew is the form for a new project.
func ProjectNew(organization int64) string { return OrganizationProjects(organization) + "/new" }

// TakeBack is where an organization takes back a project that was moved away, and where that is posted to.
func TakeBack(organization, project int64) string {
	return OrganizationProjects(organization) + "/" + number(project) + "/take-back"
}

// OrganizationSettings is what its members decide about an organization.
func OrganizationSettings(organization int64) string { return Organization(organization) + "/settings" }

// OrganizationTwoStep lists who would be kept out if a second factor were a must; a POST says whether it is.
func OrganizationTwoStep(organization int64) string { return Organization(organization) + "/two-step" }

// OrganizationDelete ends an organization (POST).
func OrganizationDelete(organization int64) string { return Organization(organization) + "/delete" }

// Billing is what an organization is billed by.
func Billing(organization int64) string { return Organization(organization) + "/billing" }

// OrganizationAudit is what was done to an organization, its projects and their people.
func OrganizationAudit(organization int64) string { return Organization(organization) + "/audit" }

// MaintainerDelete deletes one (POST).
func MaintainerDelete(maintainer int64) string { return Maintainer(maintainer) + "/delete" }

// Maintainers lists the maintainers that somebody may see; a new one is posted here.
func Maintainers() string { return "/maintainers" }

// Maintainer is a maintainer with its organizations.
func Maintainer(maintainer int64) string { return Maintainers() + "/" + number(maintainer) }

// MaintainerSettings is what its members decide about a maintainer.
func MaintainerSettings(maintainer int64) string { return Maintainer(maintainer) + "/settings" }

// MaintainerOrganization is what a maintainer keeps of an organization.
func MaintainerOrganization(maintainer, organization int64) string {
	return MaintainerOrganizations(maintainer) + "/" + number(organization)
}

// MaintainerOrganizations is where a new organization is posted to.
func MaintainerOrganizations(maintainer int64) string {
	return Maintainer(maintainer) + "/organizations"
}

// OrganizationNew is the form for a new organization.
func OrganizationNew(maintainer int64) string { return MaintainerOrganizations(maintainer) + "/new" }

// TeamMembers lists the people of an organization or a maintainer, whose own address is given; invitations are posted here.
func TeamMembers(team string) string { return team + "/members" }

// TeamInvite is the form that invites people to it.
func TeamInvite(team string) string { return TeamMembers(team) + "/invite" }

// TeamMember is one person of it.
func TeamMember(team string, user int64) string { return TeamMembers(team) + "/" + number(user) }

// TeamMemberRemove takes a person out of it (POST).
func TeamMemberRemove(team string, user int64) string { return TeamMember(team, user) + "/remove" }

// TeamLeave takes oneself out of it (POST).
func TeamLeave(team string) string { return TeamMembers(team) + "/leave" }

// TeamInvited is one invitation to it.
func TeamInvited(team string, invitation int64) string {
	return team + "/invitations/" + number(invitation)
}

// TeamInvitedAgain sends an invitation once more (POST).
func TeamInvitedAgain(team string, invitation int64) string {
	return TeamInvited(team, invitation) + "/send"
}

// TeamInvitedCancel closes an invitation (POST).
func TeamInvitedCancel(team string, invitation int64) string {
	return TeamInvited(team, invitation) + "/cancel"
}

// InvitationAccept makes one a member by an invitation (POST).
func InvitationAccept(invitation int64) string {
	return Invitations() + "/" + number(invitation) + "/accept"
}

// InvitationDecline closes an invitation to oneself (POST).
func InvitationDecline(invitation int64) string {
	return Invitations() + "/" + number(invitation) + "/decline"
}

// Trash lists what was dropped and can be restored.
func Trash(project int64) string { return Project(project) + "/trash" }

// TrashRestore takes something out of the trash (POST).
func TrashRestore(project, trash int64) string {
	return Trash(project) + "/" + number(trash) + "/restore"
}

// TrashPurge deletes something in the trash for good (POST).
func TrashPurge(project, trash int64) string { return Trash(project) + "/" + number(trash) + "/purge" }

// StorageJobs is the list of storage jobs.
func StorageJobs(project int64) string { return Storage(project) + "/jobs" }

// StorageJob is one storage job.
func StorageJob(project, job int64) string { return StorageJobs(project) + "/" + number(job) }

// StorageJobCancel stops a storage job (POST).
func StorageJobCancel(project, job int64) string { return StorageJob(project, job) + "/cancel" }

// StorageJobUndo takes back what a job did (POST).
func StorageJobUndo(project, job int64) string { return StorageJob(project, job) + "/undo" }

// With adds a query to an address, given as name, value, name, value. Empty values are left out.
func With(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Add(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
