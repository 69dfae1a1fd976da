-- What each table holds: docs/mirror.md. Names of clients' choosing are text, what clients encrypted is bytea; there is no key in here.

CREATE TABLE consortium.position (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id uuid NOT NULL,
    lsn bigint NOT NULL,
    last_event text NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE consortium.accounts (
    account_id uuid PRIMARY KEY,
    lsn bigint NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE consortium.devices (
    account_id uuid NOT NULL,
    device_id uuid NOT NULL,
    kind text NOT NULL,
    lsn bigint NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (account_id, device_id)
);

CREATE TABLE consortium.sessions (
    account_id uuid NOT NULL,
    session_id uuid NOT NULL,
    creator uuid NOT NULL,
    lsn bigint NOT NULL,
    seq bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    active boolean NOT NULL,
    active_at timestamptz NOT NULL,
    metadata_version bigint NOT NULL,
    agent_state_version bigint NOT NULL,
    PRIMARY KEY (account_id, session_id)
) WITH (fillfactor = 80);

CREATE TABLE consortium.messages (
    lsn bigint PRIMARY KEY,
    account_id uuid NOT NULL,
    session_id uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    local_id text,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL,
    revision bigint NOT NULL,
    size int NOT NULL
);
-- Ciphertext does not become smaller: Postgres need not try.
ALTER TABLE consortium.messages ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX messages_by_session ON consortium.messages (account_id, session_id, seq) INCLUDE (created_at, size);
CREATE INDEX messages_by_time ON consortium.messages USING brin (created_at) WITH (pages_per_range = 32);

CREATE TABLE consortium.metadata_versions (
    account_id uuid NOT NULL,
    session_id uuid NOT NULL,
    version bigint NOT NULL,
    lsn bigint NOT NULL,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL,
    size int NOT NULL,
    PRIMARY KEY (account_id, session_id, version)
);
ALTER TABLE consortium.metadata_versions ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE consortium.agent_state_versions (
    account_id uuid NOT NULL,
    session_id uuid NOT NULL,
    version bigint NOT NULL,
    lsn bigint NOT NULL,
    content bytea,
    created_at timestamptz NOT NULL,
    size int NOT NULL,
    PRIMARY KEY (account_id, session_id, version)
);
ALTER TABLE consortium.agent_state_versions ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE consortium.machines (
    account_id uuid NOT NULL,
    machine uuid NOT NULL,
    machine_id text NOT NULL,
    creator uuid NOT NULL,
    lsn bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    active boolean NOT NULL,
    active_at timestamptz NOT NULL,
    metadata_version bigint NOT NULL,
    daemon_state_version bigint NOT NULL,
    PRIMARY KEY (account_id, machine)
) WITH (fillfactor = 80);

CREATE TABLE consortium.machine_events (
    account_id uuid NOT NULL,
    machine uuid NOT NULL,
    revision bigint NOT NULL,
    lsn bigint NOT NULL,
    event text NOT NULL,
    metadata bytea,
    daemon_state bytea,
    created_at timestamptz NOT NULL,
    size int NOT NULL,
    PRIMARY KEY (account_id, machine, revision)
);
ALTER TABLE consortium.machine_events ALTER COLUMN metadata SET STORAGE EXTERNAL;
ALTER TABLE consortium.machine_events ALTER COLUMN daemon_state SET STORAGE EXTERNAL;
