-- +goose Up

-- Which organizations lost a project by a move of somebody who was none of their lasting members:
-- these may take it back for a time. A row goes when it comes back, and when its time is over.
CREATE TABLE project_losses (
  project_id      BIGINT NOT NULL REFERENCES projects (id),
  organization_id BIGINT NOT NULL REFERENCES organizations (id),
  moved_at        BIGINT NOT NULL,
  moved_by        BIGINT NOT NULL REFERENCES users (id),
  ends_at         BIGINT NOT NULL,  -- until when; later by the time for which nobody could enter the project
  PRIMARY KEY (project_id, organization_id)
);
CREATE INDEX project_losses_organization ON project_losses (organization_id, ends_at, project_id);

-- Which roles and last days people had in it then: they get them back when it returns.
CREATE TABLE project_loss_roles (
  project_id      BIGINT NOT NULL,
  organization_id BIGINT NOT NULL,
  membership_id   BIGINT NOT NULL,
  role            TEXT NOT NULL,
  expires_at      BIGINT,
  PRIMARY KEY (project_id, organization_id, membership_id),
  FOREIGN KEY (project_id, organization_id) REFERENCES project_losses (project_id, organization_id) ON DELETE CASCADE
);
