package console

import (
	"steward/internal/access"
	"steward/views/paths"
	"steward/web/gate"
)

// routes is the site map: every address of the console with what it demands.
func (c *Console) routes() []gate.Route {
	people := c.app.Accounts
	const project, storage, settings = "/projects/:project", "/projects/:project/storage", "/projects/:project/settings"
	const organization, maintainer = "/organizations/:organization", "/maintainers/:maintainer"
	return []gate.Route{
		// Signing in
		{Method: "GET", Path: "/login", Rule: gate.Public(c.login)},
		{Method: "POST", Path: "/login", Rule: gate.Public(c.loginSubmit)},
		{Method: "GET", Path: "/mfa", Rule: gate.Public(c.secondStep)},
		{Method: "POST", Path: "/mfa", Rule: gate.Public(c.secondStepSubmit)},
		{Method: "GET", Path: "/auth/google", Rule: gate.Public(c.login)}, // nobody is sent away without asking for it
		{Method: "POST", Path: "/auth/google", Rule: gate.Public(c.providerStart)},
		{Method: "GET", Path: "/auth/google/callback", Rule: gate.Public(c.providerReturn)},
		{Method: "GET", Path: "/auth/google/link", Rule: gate.Public(c.offer)},
		{Method: "POST", Path: "/auth/google/link/mail", Rule: gate.Public(c.offerMail)},
		{Method: "GET", Path: "/auth/google/confirm/:code", Rule: gate.Public(c.linkOpened(paths.ProviderConfirm()))},
		{Method: "GET", Path: "/auth/google/confirm", Rule: gate.Public(c.offerConfirm)},
		{Method: "POST", Path: "/auth/google/confirm", Rule: gate.Public(c.offerConfirmSubmit)},
		{Method: "POST", Path: "/logout", Rule: gate.SignedIn(access.AccountOwn, c.logout).WhileEnrolling()},
		{Method: "GET", Path: "/activate/:code", Rule: gate.Public(c.linkOpened(paths.Activate()))},
		{Method: "GET", Path: "/activate", Rule: gate.Public(c.activate)},
		{Method: "POST", Path: "/activate", Rule: gate.Public(c.activateSubmit)},
		{Method: "GET", Path: "/password/forgot", Rule: gate.Public(c.passwordForgot)},
		{Method: "POST", Path: "/password/forgot", Rule: gate.Public(c.passwordForgotSubmit)},
		{Method: "GET", Path: "/password/reset/:code", Rule: gate.Public(c.linkOpened(paths.PasswordReset()))},
		{Method: "GET", Path: "/password/reset", Rule: gate.Public(c.passwordReset)},
		{Method: "POST", Path: "/password/reset", Rule: gate.Public(c.passwordResetSubmit)},
		{Method: "GET", Path: "/two-step/lost/:code", Rule: gate.Public(c.linkOpened(paths.FactorLost()))},
		{Method: "GET", Path: "/two-step/lost", Rule: gate.Public(c.factorLost)},
		{Method: "POST", Path: "/two-step/lost", Rule: gate.Public(c.factorLostSubmit)},
		{Method: "GET", Path: "/setup", Rule: gate.Public(c.setup)},
		{Method: "POST", Path: "/setup", Rule: gate.Public(c.setupSubmit)},

		// One's own account. What is sensitive asks for a recent proof of who it is.
		{Method: "GET", Path: "/account", Rule: gate.SignedIn(access.AccountOwn, c.profile)},
		{Method: "POST", Path: "/account", Rule: gate.SignedIn(access.AccountOwn, c.profileUpdate)},
		{Method: "GET", Path: "/account/security", Rule: gate.SignedIn(access.AccountOwn, c.security).WhileEnrolling()},
		{Method: "GET", Path: "/account/password", Rule: gate.SignedIn(access.AccountOwn, c.passwordEdit).Proved().WhileEnrolling()},
		{Method: "POST", Path: "/account/password", Rule: gate.SignedIn(access.AccountOwn, c.passwordUpdate).Proved().WhileEnrolling()},
		{Method: "POST", Path: "/account/identity/start", Rule: gate.SignedIn(access.AccountOwn, c.identityStart).Proved()},
		{Method: "GET", Path: "/account/identity", Rule: gate.SignedIn(access.AccountOwn, c.identity).Proved()},
		{Method: "POST", Path: "/account/identity", Rule: gate.SignedIn(access.AccountOwn, c.identityLink).Proved()},
		{Method: "POST", Path: "/account/identity/delete", Rule: gate.SignedIn(access.AccountOwn, c.identityDelete).Proved()},
		{Method: "POST", Path: "/account/two-step/start", Rule: gate.SignedIn(access.AccountOwn, c.twoStepStart).Proved().WhileEnrolling()},
		{Method: "GET", Path: "/account/two-step", Rule: gate.SignedIn(access.AccountOwn, c.twoStep).Proved().WhileEnrolling()},
		{Method: "POST", Path: "/account/two-step", Rule: gate.SignedIn(access.AccountOwn, c.twoStepConfirm).Proved().WhileEnrolling()},
		{Method: "POST", Path: "/account/two-step/delete", Rule: gate.SignedIn(access.AccountOwn, c.twoStepDelete).Proved()},
		{Method: "GET", Path: "/account/recovery-codes", Rule: gate.SignedIn(access.AccountOwn, c.recoveryCodes).Proved().WhileEnrolling()},
		{Method: "GET", Path: "/account/recovery-codes/download", Rule: gate.SignedIn(access.AccountOwn, c.recoveryCodesFile).Proved().WhileEnrolling()},
		{Method: "POST", Path: "/account/recovery-codes", Rule: gate.SignedIn(access.AccountOwn, c.recoveryCodesMake).Proved().WhileEnrolling()},
		{Method: "POST", Path: "/account/recovery-codes/stored", Rule: gate.SignedIn(access.AccountOwn, c.recoveryCodesStored).WhileEnrolling()},
		{Method: "GET", Path: "/account/sessions", Rule: gate.SignedIn(access.AccountOwn, c.sessionList).WhileEnrolling()},
		{Method: "POST", Path: "/account/sessions", Rule: gate.SignedIn(access.AccountOwn, c.sessionEndOthers).Proved().WhileEnrolling()},
		{Method: "POST", Path: "/account/sessions/:session/end", Rule: gate.SignedIn(access.AccountOwn, c.sessionEnd).Proved().WhileEnrolling()},
		{Method: "GET", Path: "/account/invitations", Rule: gate.SignedIn(access.InvitationsOwn, c.invitations)},
		{Method: "POST", Path: "/account/invitations/:invitation/accept", Rule: gate.SignedIn(access.InvitationsOwn, c.invitationAccept)},
		{Method: "POST", Path: "/account/invitations/:invitation/decline", Rule: gate.SignedIn(access.InvitationsOwn, c.invitationDecline)},
		{Method: "GET", Path: "/account/activity", Rule: gate.SignedIn(access.AccountOwn, c.activity)},
		{Method: "GET", Path: "/account/access", Rule: gate.SignedIn(access.AccountOwn, c.accountAccess)},
		{Method: "GET", Path: "/account/confirm", Rule: gate.SignedIn(access.AccountOwn, c.confirm).WhileEnrolling()},
		{Method: "POST", Path: "/account/confirm", Rule: gate.SignedIn(access.AccountOwn, c.confirmSubmit).WhileEnrolling()},
		{Method: "POST", Path: "/account/confirm/provider", Rule: gate.SignedIn(access.AccountOwn, c.confirmByProvider).WhileEnrolling()},
		{Method: "POST", Path: "/account/theme", Rule: gate.SignedIn(access.AccountOwn, c.themeUpdate).WhileEnrolling()},

		// Administration
		{Method: "GET", Path: "/admin", Rule: gate.SignedIn(access.InstallationManage, c.adminUsers).Proved()},
		{Method: "POST", Path: "/admin/users", Rule: gate.SignedIn(access.InstallationManage, c.adminUserAdd).Proved()},
		{Method: "GET", Path: "/admin/users/:user", Rule: gate.SignedIn(access.InstallationManage, c.adminUser).Proved()},
		{Method: "GET", Path: "/admin/users/:user/access", Rule: gate.SignedIn(access.InstallationManage, c.adminUserAccess).Proved()},
		{Method: "POST", Path: "/admin/users/:user/link", Rule: gate.SignedIn(access.InstallationManage, c.adminUserLink(people.SendLink)).Proved()},
		{Method: "POST", Path: "/admin/users/:user/disable", Rule: gate.SignedIn(access.InstallationManage, c.adminUserDo("The account is disabled.", people.Disable)).Proved()},
		{Method: "POST", Path: "/admin/users/:user/enable", Rule: gate.SignedIn(access.InstallationManage, c.adminUserDo("The account is enabled.", people.Enable)).Proved()},
		{Method: "POST", Path: "/admin/users/:user/super-admin", Rule: gate.SignedIn(access.InstallationManage, c.adminUserDo("Made a super admin.", people.GrantSuperAdmin)).Proved()},
		{Method: "POST", Path: "/admin/users/:user/no-super-admin", Rule: gate.SignedIn(access.InstallationManage, c.adminUserDo("No super admin any more.", c.app.Tenancy.RevokeSuperAdmin)).Proved()},
		{Method: "POST", Path: "/admin/users/:user/support", Rule: gate.SignedIn(access.InstallationManage, c.adminUserDo("They are of support now.", c.supports(true))).Proved()},
		{Method: "POST", Path: "/admin/users/:user/no-support", Rule: gate.SignedIn(access.InstallationManage, c.adminUserDo("They are not of support any more.", c.supports(false))).Proved()},
		{Method: "POST", Path: "/admin/users/:user/reset-mfa", Rule: gate.SignedIn(access.InstallationManage, c.adminUserLink(people.ResetFactor)).Proved()},
		{Method: "POST", Path: "/admin/users/:user/end-sessions", Rule: gate.SignedIn(access.InstallationManage, c.adminUserDo("All sessions have ended.", people.EndAll)).Proved()},
		{Method: "GET", Path: "/admin/projects", Rule: gate.SignedIn(access.InstallationManage, c.adminProjects).Proved()},
		{Method: "GET", Path: "/admin/projects/:project", Rule: gate.SignedIn(access.InstallationManage, c.adminProject).Proved()},
		{Method: "POST", Path: "/admin/projects/:project/undelete", Rule: gate.SignedIn(access.ProjectsUndelete, c.adminProjectUndelete).Proved()},
		{Method: "POST", Path: "/admin/projects/:project/expiry", Rule: gate.SignedIn(access.ProjectsUndelete, c.adminProjectExpiry).Proved()},
		{Method: "POST", Path: "/admin/projects/:project/disable", Rule: gate.SignedIn(access.ProjectsUndelete, c.adminProjectDisable).Proved()},
		{Method: "POST", Path: "/admin/projects/:project/enable", Rule: gate.SignedIn(access.ProjectsUndelete, c.adminProjectEnable).Proved()},
		{Method: "POST", Path: "/admin/projects/:project/purge", Rule: gate.SignedIn(access.ProjectsUndelete, c.adminProjectPurge).Proved()},
		{Method: "POST", Path: "/admin/projects/:project/purge/stop", Rule: gate.SignedIn(access.ProjectsUndelete, c.adminProjectPurgeStop).Proved()},
		{Method: "GET", Path: "/admin/mails", Rule: gate.SignedIn(access.InstallationManage, c.adminMails).Proved()},
		{Method: "POST", Path: "/admin/mails/:mail/retry", Rule: gate.SignedIn(access.InstallationManage, c.adminMailRetry).Proved()},
		{Method: "GET", Path: "/admin/jobs", Rule: gate.SignedIn(access.InstallationManage, c.adminJobs).Proved()},
		{Method: "GET", Path: "/admin/audit", Rule: gate.SignedIn(access.InstallationManage, c.adminAudit).Proved()},
		{Method: "GET", Path: "/admin/settings", Rule: gate.SignedIn(access.InstallationManage, c.adminSettings).Proved()},
		{Method: "POST", Path: "/admin/settings", Rule: gate.SignedIn(access.InstallationManage, c.adminSettingsUpdate).Proved()},

		// Projects
		{Method: "GET", Path: "/", Rule: gate.SignedIn(access.AccountOwn, c.projects)},
		{Method: "GET", Path: project, Rule: gate.InProject(access.ProjectRead, c.overview)},
		{Method: "GET", Path: project + "/live", Rule: gate.InProject(access.ProjectRead, c.live)},

		// Coming into a project by oneself, or asking to
		{Method: "GET", Path: project + "/join", Rule: gate.AtEntrance(access.ProjectsJoin, c.join)},
		{Method: "POST", Path: project + "/join", Rule: gate.AtEntrance(access.ProjectsJoin, c.joinSubmit)},
		{Method: "GET", Path: project + "/request", Rule: gate.AtEntrance(access.ProjectsRequestAccess, c.ask)},
		{Method: "POST", Path: project + "/request", Rule: gate.AtEntrance(access.ProjectsRequestAccess, c.askSubmit)},
		{Method: "POST", Path: project + "/request/cancel", Rule: gate.AtEntrance(access.ProjectsRequestAccess, c.askCancel)},

		// Moving a project to another organization
		{Method: "GET", Path: project + "/move", Rule: gate.AtEntrance(access.ProjectsMove, c.move).Proved()},
		{Method: "POST", Path: project + "/move", Rule: gate.AtEntrance(access.ProjectsMove, c.moveSubmit).Proved()},

		// Organizations
		{Method: "GET", Path: organization, Rule: gate.InOrganization(access.OrganizationRead, c.organization)},
		{Method: "POST", Path: organization + "/join", Rule: gate.InOrganization(access.OrganizationJoin, c.organizationJoin)},
		{Method: "GET", Path: organization + "/projects/new", Rule: gate.InOrganization(access.ProjectsCreate, c.projectNew)},
		{Method: "POST", Path: organization + "/projects", Rule: gate.InOrganization(access.ProjectsCreate, c.projectCreate)},
		{Method: "GET", Path: organization + "/settings", Rule: gate.InOrganization(access.OrganizationRead, c.organizationSettings)},
		{Method: "POST", Path: organization + "/settings", Rule: gate.InOrganization(access.OrganizationManage, c.organizationSettingsUpdate)},
		{Method: "GET", Path: organization + "/two-step", Rule: gate.InOrganization(access.OrganizationRequireMfa, c.organizationTwoStep)},
		{Method: "POST", Path: organization + "/two-step", Rule: gate.InOrganization(access.OrganizationRequireMfa, c.organizationTwoStepUpdate).Proved()},
		{Method: "POST", Path: organization + "/delete", Rule: gate.InOrganization(access.OrganizationDelete, c.organizationDelete).Proved()},
		{Method: "GET", Path: organization + "/billing", Rule: gate.InOrganization(access.OrganizationBilling, c.billing)},
		{Method: "POST", Path: organization + "/billing", Rule: gate.InOrganization(access.OrganizationBilling, c.billingUpdate)},
		{Method: "GET", Path: organization + "/audit", Rule: gate.InOrganization(access.AuditOrganization, c.organizationAudit)},
		{Method: "GET", Path: organization + "/members", Rule: gate.InOrganization(access.OrganizationRead, c.ofOrganization(c.team))},
		{Method: "GET", Path: organization + "/members/invite", Rule: gate.InOrganization(access.OrganizationMembers, c.ofOrganization(c.teamInvite))},
		{Method: "POST", Path: organization + "/members", Rule: gate.InOrganization(access.OrganizationMembers, c.ofOrganization(c.teamInviteSend))},
		{Method: "GET", Path: organization + "/members/:member", Rule: gate.InOrganization(access.OrganizationRead, c.ofOrganization(c.teamMember))},
		{Method: "POST", Path: organization + "/members/:member/remove", Rule: gate.InOrganization(access.OrganizationMembers, c.ofOrganization(c.teamMemberRemove))},
		{Method: "POST", Path: organization + "/members/leave", Rule: gate.InOrganization(access.OrganizationMembers, c.ofOrganization(c.teamLeave))},
		{Method: "GET", Path: organization + "/invitations/:invitation", Rule: gate.InOrganization(access.OrganizationRead, c.ofOrganization(c.teamInvited))},
		{Method: "POST", Path: organization + "/invitations/:invitation/send", Rule: gate.InOrganization(access.OrganizationMembers, c.ofOrganization(c.teamInvitedAgain))},
		{Method: "POST", Path: organization + "/invitations/:invitation/cancel", Rule: gate.InOrganization(access.OrganizationMembers, c.ofOrganization(c.teamInvitedCancel))},

		// Maintainers
		{Method: "GET", Path: "/maintainers", Rule: gate.SignedIn(access.AccountOwn, c.maintainers)},
		{Method: "POST", Path: "/maintainers", Rule: gate.SignedIn(access.InstallationManage, c.maintainerCreate).Proved()},
		{Method: "GET", Path: maintainer, Rule: gate.InMaintainer(access.MaintainerRead, c.maintainer)},
		{Method: "GET", Path: maintainer + "/organizations/new", Rule: gate.InMaintainer(access.OrganizationsCreate, c.organizationNew)},
		{Method: "POST", Path: maintainer + "/organizations", Rule: gate.InMaintainer(access.OrganizationsCreate, c.organizationCreate)},
		{Method: "GET", Path: maintainer + "/settings", Rule: gate.InMaintainer(access.MaintainerRead, c.maintainerSettings)},
		{Method: "POST", Path: maintainer + "/settings", Rule: gate.InMaintainer(access.MaintainerManage, c.maintainerSettingsUpdate)},
		{Method: "GET", Path: maintainer + "/members", Rule: gate.InMaintainer(access.MaintainerRead, c.ofMaintainer(c.team))},
		{Method: "GET", Path: maintainer + "/members/invite", Rule: gate.InMaintainer(access.MaintainerManage, c.ofMaintainer(c.teamInvite))},
		{Method: "POST", Path: maintainer + "/members", Rule: gate.InMaintainer(access.MaintainerManage, c.ofMaintainer(c.teamInviteSend))},
		{Method: "GET", Path: maintainer + "/members/:member", Rule: gate.InMaintainer(access.MaintainerRead, c.ofMaintainer(c.teamMember))},
		{Method: "POST", Path: maintainer + "/members/:member/remove", Rule: gate.InMaintainer(access.MaintainerManage, c.ofMaintainer(c.teamMemberRemove))},
		{Method: "POST", Path: maintainer + "/members/leave", Rule: gate.InMaintainer(access.MaintainerManage, c.ofMaintainer(c.teamLeave))},
		{Method: "GET", Path: maintainer + "/invitations/:invitation", Rule: gate.InMaintainer(access.MaintainerRead, c.ofMaintainer(c.teamInvited))},
		{Method: "POST", Path: maintainer + "/invitations/:invitation/send", Rule: gate.InMaintainer(access.MaintainerManage, c.ofMaintainer(c.teamInvitedAgain))},
		{Method: "POST", Path: maintainer + "/invitations/:invitation/cancel", Rule: gate.InMaintainer(access.MaintainerManage, c.ofMaintainer(c.teamInvitedCancel))},

		// Users & settings
		{Method: "GET", Path: settings + "/users", Rule: gate.InProject(access.ProjectRead, c.members)},
		{Method: "GET", Path: settings + "/users/invite", Rule: gate.InProject(access.MembersInvite, c.invite)},
		{Method: "POST", Path: settings + "/users", Rule: gate.InProject(access.MembersInvite, c.inviteSend)},
		{Method: "GET", Path: settings + "/users/:member", Rule: gate.InProject(access.ProjectRead, c.member)},
		{Method: "GET", Path: settings + "/users/:member/role", Rule: gate.InProject(access.MembersRole, c.memberRoleAsk)},
		{Method: "POST", Path: settings + "/users/:member/role", Rule: gate.InProject(access.MembersRole, c.memberRole)},
		{Method: "GET", Path: settings + "/users/:member/remove", Rule: gate.InProject(access.MembersRemove, c.memberRemoveAsk)},
		{Method: "POST", Path: settings + "/users/:member/remove", Rule: gate.InProject(access.MembersRemove, c.memberRemove)},
		{Method: "POST", Path: settings + "/users/remind", Rule: gate.InProject(access.MembersRole, c.membersRemind)},
		{Method: "POST", Path: settings + "/users/leave", Rule: gate.InProject(access.MembersLeave, c.memberLeave)},
		{Method: "GET", Path: settings + "/invitations/:invitation", Rule: gate.InProject(access.ProjectRead, c.memberInvited)},
		{Method: "POST", Path: settings + "/invitations/:invitation/send", Rule: gate.InProject(access.MembersInvite, c.memberInvitedAgain)},
		{Method: "POST", Path: settings + "/invitations/:invitation/cancel", Rule: gate.InProject(access.MembersInvite, c.memberInvitedCancel)},
		{Method: "GET", Path: settings + "/requests/:request", Rule: gate.InProject(access.JoinRequestsDecide, c.request)},
		{Method: "POST", Path: settings + "/requests/:request/approve", Rule: gate.InProject(access.JoinRequestsDecide, c.requestApprove)},
		{Method: "POST", Path: settings + "/requests/:request/reject", Rule: gate.InProject(access.JoinRequestsDecide, c.requestReject)},
		{Method: "GET", Path: settings + "/project", Rule: gate.InProject(access.ProjectRead, c.projectSettings)},
		{Method: "POST", Path: settings + "/project", Rule: gate.InProject(access.ProjectUpdate, c.projectSettingsUpdate)},
		{Method: "GET", Path: settings + "/access", Rule: gate.InProject(access.AuditRead, c.projectAccess)},
		{Method: "GET", Path: settings + "/audit", Rule: gate.InProject(access.AuditRead, c.projectAudit)},
		{Method: "GET", Path: settings + "/project/delete", Rule: gate.InProject(access.ProjectDelete, c.projectDelete).Proved()},
		{Method: "POST", Path: settings + "/project/delete", Rule: gate.InProject(access.ProjectDelete, c.projectDeleteSubmit).Proved()},

		// Mails that are kept in place of being sent
		{Method: "GET", Path: "/mailbox", Rule: gate.Public(c.mailbox)},
		{Method: "GET", Path: "/mailbox/:mail", Rule: gate.Public(c.mailboxMail)},

		// Storage: buckets
		{Method: "GET", Path: storage, Rule: gate.InProject(access.StorageRead, c.buckets)},
		{Method: "GET", Path: storage + "/buckets/new", Rule: gate.InProject(access.BucketsWrite, c.bucketNew)},
		{Method: "POST", Path: storage + "/buckets", Rule: gate.InProject(access.BucketsWrite, c.bucketCreate)},
		{Method: "GET", Path: storage + "/buckets/:bucket", Rule: gate.InProject(access.StorageRead, c.bucket)},
		{Method: "GET", Path: storage + "/buckets/:bucket/edit", Rule: gate.InProject(access.BucketsWrite, c.bucketEdit)},
		{Method: "POST", Path: storage + "/buckets/:bucket", Rule: gate.InProject(access.BucketsWrite, c.bucketUpdate)},

		// Storage: tables
		{Method: "GET", Path: storage + "/tables/:table", Rule: gate.InProject(access.StorageRead, c.table)},
		{Method: "GET", Path: storage + "/tables/:table/preview", Rule: gate.InProject(access.StorageRead, c.tablePreview)},
		{Method: "GET", Path: storage + "/tables/:table/events", Rule: gate.InProject(access.StorageJobsRead, c.tableEvents)},

		// Storage: a table's past
		{Method: "GET", Path: storage + "/tables/:table/versions", Rule: gate.InProject(access.StorageRead, c.versions)},
		{Method: "GET", Path: storage + "/tables/:table/versions/compare", Rule: gate.InProject(access.StorageRead, c.versionCompare)},
		{Method: "GET", Path: storage + "/tables/:table/versions/:version/revert", Rule: gate.InProject(access.SnapshotsWrite, c.versionRevert)},
		{Method: "POST", Path: storage + "/tables/:table/versions/:version/revert", Rule: gate.InProject(access.SnapshotsWrite, c.versionRevertSubmit)},
		{Method: "GET", Path: storage + "/tables/:table/versions/:version/copy", Rule: gate.InProject(access.SnapshotsWrite, c.versionCopy)},
		{Method: "POST", Path: storage + "/tables/:table/versions/:version/copy", Rule: gate.InProject(access.SnapshotsWrite, c.versionCopySubmit)},
		{Method: "GET", Path: storage + "/tables/:table/snapshots", Rule: gate.InProject(access.StorageRead, c.snapshots)},
		{Method: "POST", Path: storage + "/tables/:table/snapshots", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotCreate)},
		{Method: "GET", Path: storage + "/tables/:table/snapshots/:snapshot/restore", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotRestore)},
		{Method: "POST", Path: storage + "/tables/:table/snapshots/:snapshot/restore", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotRestoreSubmit)},
		{Method: "GET", Path: storage + "/tables/:table/snapshots/:snapshot/copy", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotCopy)},
		{Method: "POST", Path: storage + "/tables/:table/snapshots/:snapshot/copy", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotCopySubmit)},
		{Method: "POST", Path: storage + "/tables/:table/snapshots/:snapshot/delete", Rule: gate.InProject(access.SnapshotsWrite, c.snapshotDelete)},
		// Storage: changing tables
		{Method: "GET", Path: storage + "/tables/new", Rule: gate.InProject(access.TablesWrite, c.tableNew)},
		{Method: "POST", Path: storage + "/tables", Rule: gate.InProject(access.TablesWrite, c.tableCreate)},
		{Method: "GET", Path: storage + "/tables/:table/settings", Rule: gate.InProject(access.StorageRead, c.tableSettings)},
		{Method: "POST", Path: storage + "/tables/:table/description", Rule: gate.InProject(access.TablesWrite, c.tableDescribe)},
		{Method: "POST", Path: storage + "/tables/:table/metadata", Rule: gate.InProject(access.TablesWrite, c.metadataSet)},
		{Method: "POST", Path: storage + "/tables/:table/metadata/delete", Rule: gate.InProject(access.TablesWrite, c.metadataDelete)},
		{Method: "POST", Path: storage + "/tables/:table/key", Rule: gate.InProject(access.TablesWrite, c.keyAdd)},
		{Method: "POST", Path: storage + "/tables/:table/key/delete", Rule: gate.InProject(access.TablesWrite, c.keyDelete)},
		{Method: "POST", Path: storage + "/tables/:table/columns", Rule: gate.InProject(access.TablesWrite, c.columnAdd)},
		{Method: "POST", Path: storage + "/tables/:table/columns/rename", Rule: gate.InProject(access.TablesWrite, c.columnRename)},
		{Method: "POST", Path: storage + "/tables/:table/columns/delete", Rule: gate.InProject(access.TablesWrite, c.columnDelete)},
		{Method: "GET", Path: storage + "/tables/:table/rows/delete", Rule: gate.InProject(access.TablesWrite, c.rowsDelete)},
		{Method: "POST", Path: storage + "/tables/:table/rows/delete", Rule: gate.InProject(access.TablesWrite, c.rowsDeleteStart)},
		{Method: "POST", Path: storage + "/tables/:table/truncate", Rule: gate.InProject(access.TablesWrite, c.tableTruncate)},
		{Method: "POST", Path: storage + "/tables/:table/delete", Rule: gate.InProject(access.TablesWrite, c.tableDrop)},
		{Method: "GET", Path: storage + "/tables/:table/export", Rule: gate.InProject(access.StorageRead, c.export)},
		{Method: "POST", Path: storage + "/tables/:table/export", Rule: gate.InProject(access.StorageRead, c.exportStart)},
		{Method: "GET", Path: storage + "/buckets/:bucket/delete", Rule: gate.InProject(access.BucketsWrite, c.bucketDelete).Proved()},
		{Method: "POST", Path: storage + "/buckets/:bucket/delete", Rule: gate.InProject(access.BucketsWrite, c.bucketDeleteStart).Proved()},

		// Trash
		{Method: "GET", Path: project + "/trash", Rule: gate.InProject(access.StorageRead, c.trash)},
		{Method: "POST", Path: project + "/trash/:trash/restore", Rule: gate.InProject(access.TableTrashRestore, c.trashRestore)},
		{Method: "POST", Path: project + "/trash/:trash/purge", Rule: gate.InProject(access.TableTrashPurge, c.trashPurge).Proved()},

		// Storage: loading a file
		{Method: "GET", Path: storage + "/load", Rule: gate.InProject(access.TablesWrite, c.load)},
		{Method: "POST", Path: storage + "/load", Rule: gate.InProject(access.TablesWrite, c.loadUpload)},
		{Method: "GET", Path: storage + "/load/:file", Rule: gate.InProject(access.TablesWrite, c.loadCheck)},
		{Method: "POST", Path: storage + "/load/:file", Rule: gate.InProject(access.TablesWrite, c.loadStart)},
		{Method: "POST", Path: storage + "/load/:file/check", Rule: gate.InProject(access.TablesWrite, c.fileCheck)},

		// Storage: files
		{Method: "GET", Path: storage + "/files/:file/download", Rule: gate.InProject(access.StorageRead, c.fileDownload)},

		// Storage: jobs
		{Method: "GET", Path: storage + "/jobs", Rule: gate.InProject(access.StorageJobsRead, c.storageJobs)},
		{Method: "GET", Path: storage + "/jobs/:job", Rule: gate.InProject(access.StorageJobsRead, c.storageJob)},
		{Method: "POST", Path: storage + "/jobs/:job/undo", Rule: gate.InProject(access.SnapshotsWrite, c.storageJobUndo)},
		{Method: "POST", Path: storage + "/jobs/:job/cancel", Rule: gate.InProject(access.StorageJobsCancel, c.storageJobCancel)},
	}
}
