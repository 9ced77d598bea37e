#include "front/schema.h"

namespace coffer::front {

const std::array<std::string_view, 4> kMigrations{R"sql(
CREATE TABLE users(
  name TEXT PRIMARY KEY, roles TEXT NOT NULL, token_hash BLOB, sign_key TEXT NOT NULL DEFAULT '',
  seal_key TEXT NOT NULL DEFAULT '', key_envelope TEXT NOT NULL DEFAULT '', key_sequence INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL, removed INTEGER) STRICT;
CREATE TABLE key_history(
  user TEXT NOT NULL, sequence INTEGER NOT NULL, envelope TEXT NOT NULL, PRIMARY KEY(user, sequence)) STRICT;

CREATE TABLE pending(id INTEGER PRIMARY KEY AUTOINCREMENT, op BLOB NOT NULL, extra TEXT NOT NULL) STRICT;
CREATE TABLE entries(
  idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, time INTEGER NOT NULL, public BLOB NOT NULL,
  private BLOB, nonce BLOB, leaf BLOB, dataset TEXT NOT NULL DEFAULT '', user TEXT NOT NULL DEFAULT '',
  object TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX entries_by_object ON entries(object);
CREATE INDEX entries_by_dataset ON entries(dataset, idx);
CREATE INDEX entries_by_user ON entries(user, idx);
CREATE TABLE checkpoint(one INTEGER PRIMARY KEY CHECK(one = 1), size INTEGER NOT NULL, text TEXT NOT NULL) STRICT;

CREATE TABLE uploads(
  id TEXT PRIMARY KEY, user TEXT NOT NULL, length INTEGER NOT NULL, created INTEGER NOT NULL) STRICT;
CREATE TABLE idempotency(
  user TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, status INTEGER NOT NULL,
  answer BLOB NOT NULL, created INTEGER NOT NULL, PRIMARY KEY(user, route, key)) STRICT;

CREATE TABLE claims(dataset TEXT PRIMARY KEY, user TEXT NOT NULL, created INTEGER NOT NULL) STRICT;
CREATE TABLE datasets(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, public INTEGER NOT NULL, owner TEXT NOT NULL, owner_key TEXT NOT NULL,
  class TEXT NOT NULL DEFAULT '', grade INTEGER NOT NULL DEFAULT 0, card TEXT NOT NULL DEFAULT '',
  card_digest TEXT NOT NULL DEFAULT '', card_sequence INTEGER NOT NULL DEFAULT 0,
  limit_envelope TEXT NOT NULL DEFAULT '', limit_sequence INTEGER NOT NULL DEFAULT 0,
  visible TEXT NOT NULL DEFAULT '', readme TEXT NOT NULL DEFAULT '', created INTEGER NOT NULL) STRICT;
CREATE INDEX datasets_by_name ON datasets(name);
CREATE TABLE versions(
  manifest TEXT PRIMARY KEY, dataset TEXT NOT NULL REFERENCES datasets(id), n INTEGER NOT NULL,
  envelope TEXT NOT NULL, list TEXT NOT NULL, entry_first INTEGER NOT NULL, entry_last INTEGER NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL,
  owner_keys TEXT NOT NULL DEFAULT '{}', proposal TEXT NOT NULL DEFAULT '', public_key TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '', created INTEGER NOT NULL, removed INTEGER, UNIQUE(dataset, n)) STRICT;

CREATE TABLE programs(
  digest TEXT PRIMARY KEY, user TEXT NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL,
  created INTEGER NOT NULL) STRICT;
CREATE TABLE environments(
  name TEXT PRIMARY KEY, state TEXT NOT NULL, digest TEXT NOT NULL DEFAULT '', spec TEXT NOT NULL,
  user TEXT NOT NULL, bytes INTEGER NOT NULL DEFAULT 0, percent INTEGER NOT NULL DEFAULT 0,
  stage TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', log TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL, built INTEGER) STRICT;

CREATE TABLE environment_digests(
  digest TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL, bytes INTEGER NOT NULL, built INTEGER NOT NULL) STRICT;

CREATE TABLE requests(
  id TEXT PRIMARY KEY, user TEXT NOT NULL, dataset TEXT NOT NULL, body TEXT NOT NULL, grant_digest TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL) STRICT;
CREATE TABLE grants(
  digest TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, dataset TEXT NOT NULL REFERENCES datasets(id),
  envelope TEXT NOT NULL, owner TEXT NOT NULL, request TEXT NOT NULL DEFAULT '', revoked INTEGER,
  created INTEGER NOT NULL) STRICT;
CREATE TABLE grant_users(
  grant_digest TEXT NOT NULL REFERENCES grants(digest), user TEXT NOT NULL, role TEXT NOT NULL,
  PRIMARY KEY(grant_digest, user, role)) STRICT;
CREATE INDEX grant_users_by_user ON grant_users(user);

CREATE TABLE runs(
  digest TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, user TEXT NOT NULL, envelope TEXT NOT NULL, name TEXT NOT NULL,
  state TEXT NOT NULL, cause TEXT NOT NULL DEFAULT '', wanted TEXT NOT NULL DEFAULT '', attempt INTEGER NOT NULL DEFAULT 0,
  submitted INTEGER NOT NULL, started INTEGER, ended INTEGER, deadline INTEGER NOT NULL, check_at INTEGER,
  exclusive INTEGER NOT NULL DEFAULT 0,
  quote TEXT NOT NULL, charged TEXT NOT NULL, cell_proof TEXT NOT NULL DEFAULT '', report TEXT NOT NULL DEFAULT '',
  ledger_first INTEGER, ledger_last INTEGER, problem TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX runs_by_user ON runs(user, submitted);
CREATE INDEX runs_by_state ON runs(state, submitted);
CREATE INDEX runs_by_check ON runs(check_at) WHERE check_at IS NOT NULL;
CREATE TABLE run_grants(
  run TEXT NOT NULL REFERENCES runs(digest), grant_digest TEXT NOT NULL, PRIMARY KEY(run, grant_digest)) STRICT;
CREATE INDEX run_grants_by_grant ON run_grants(grant_digest);
CREATE TABLE outputs(
  run TEXT NOT NULL REFERENCES runs(digest), position INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
  lane TEXT NOT NULL, verdict TEXT NOT NULL DEFAULT '', refusal TEXT NOT NULL DEFAULT '', bits INTEGER NOT NULL DEFAULT 0,
  bits_max INTEGER NOT NULL, commitment TEXT NOT NULL DEFAULT '', digest TEXT NOT NULL DEFAULT '', release TEXT NOT NULL DEFAULT '',
  content_bytes INTEGER NOT NULL DEFAULT 0, released INTEGER, held_until INTEGER, PRIMARY KEY(run, name)) STRICT;
CREATE UNIQUE INDEX outputs_by_release ON outputs(release) WHERE release <> '';
CREATE INDEX outputs_held ON outputs(held_until) WHERE held_until IS NOT NULL;
CREATE TABLE approvals(
  run TEXT NOT NULL, output TEXT NOT NULL, approver TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL,
  envelope TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY(run, output, approver)) STRICT;
CREATE TABLE events(
  run TEXT NOT NULL, n INTEGER NOT NULL, time INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(run, n)) STRICT;
)sql",
                                                  // Lists and look-ups follow an index.
                                                  R"sql(
ALTER TABLE run_grants ADD COLUMN submitted INTEGER NOT NULL DEFAULT 0;
UPDATE run_grants SET submitted = (SELECT submitted FROM runs WHERE digest = run);
DROP INDEX run_grants_by_grant;
CREATE INDEX run_grants_by_grant ON run_grants(grant_digest, submitted, run);
DROP INDEX runs_by_user;
CREATE INDEX runs_by_user ON runs(user, submitted, digest);
CREATE INDEX runs_by_submitted ON runs(submitted, digest);
CREATE INDEX users_by_token ON users(token_hash);
CREATE INDEX grants_by_dataset ON grants(dataset);
CREATE INDEX grants_by_owner ON grants(owner);
)sql",
                                                  // What is asked ten times a second costs the same
                                                  // however many runs wait.
                                                  R"sql(
CREATE INDEX runs_waiting ON runs(deadline) WHERE state = 'queued';
CREATE INDEX runs_at_work ON runs(attempt) WHERE attempt > 0 AND state IN ('queued','running');
)sql",
                                                  // What the notify command was told.
                                                  R"sql(
CREATE TABLE noticed(what TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
ALTER TABLE grants ADD COLUMN until INTEGER NOT NULL DEFAULT 0;
CREATE INDEX grants_by_until ON grants(until) WHERE revoked IS NULL;
)sql"};

}  // namespace coffer::front
