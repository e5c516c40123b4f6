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
