#include "front/environments.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/log.h"
#include "front/archives.h"
#include "front/quota.h"
#include "front/uploads.h"
#include "front/users.h"
#include "grant/objects.h"
#include "os/files.h"
#include "worker/messages.h"

namespace coffer::front {
namespace {

constexpr Duration kSendPatience = 5s;
constexpr std::size_t kLogMax = 4 << 20;
constexpr std::size_t kLogPage = 64 << 10;

Json text_or_null(const std::string& text) { return text.empty() ? Json{} : Json{text}; }

constexpr std::string_view kEnvironment =
    "SELECT e.name, e.state, e.digest, e.spec, e.stage, e.percent, e.error, e.created, e.built,"
    " COALESCE(d.description, '{}'), COALESCE(d.bytes, 0) FROM environments e LEFT JOIN"
    " environment_digests d ON d.digest = e.digest";

Result<Json> environment_json(Site& site, const db::Row& row) {
  COFFER_TRY(const Json spec, Json::parse(row.text(3)));
  COFFER_TRY(const Json description, Json::parse(row.text(9)));
  COFFER_TRY(const auto older,
             site.db.rows("SELECT digest FROM environment_digests WHERE name = ? AND"
                          " digest <> ? ORDER BY built DESC",
                          {row.text(0), row.text(2)}));
  Json digests = Json::array();
  for (const auto& one : older) digests.push(one.text(0));
  const Json& variables = description["variables"];
  const bool building = row.text(1) == "building";
  return Json::object(
      {{"name", row.text(0)},
       {"digest", text_or_null(row.text(2))},
       {"state", row.text(1)},
       {"step", building ? fmt::format("{} {} %", row.text(4), row.integer(5)) : row.text(4)},
       {"error", text_or_null(row.text(6))},
       {"spec", spec},
       {"variables", variables.is_object() ? variables : Json::object({})},
       {"profile", description.text_or("profile", "program")},
       {"bytes", row.integer(10)},
       {"created", time_text(row.integer(7))},
       {"ended", row.is_null(8) ? Json{} : Json{time_text(row.integer(8))}},
       {"older", std::move(digests)}});
}

void send_build(Site& site, const std::string& name, const std::string& spec) {
  const auto json = Json::parse(spec);
  const auto archive = Digest::parse(json ? json->text_or("oci", "") : "");
  if (archive) return send_with_archive(site, {name, spec}, *archive);
  Channel* channel = site.links.builder();
  if (channel == nullptr) return;  // resume_builder() asks again
  if (!channel->send(env::encode(env::Request{env::Build{name, spec}}), kSendPatience)) {
    site.links.drop_builder();
  }
}

// The posted body without its nulls and its name: what env::Spec reads.
Result<env::Spec> spec_of(const Json& body) {
  Json spec = Json::object({});
  if (!body["preset"].is_null()) spec.set("preset", body["preset"]);
  if (const auto* pip = body["pip"].as_array(); pip != nullptr && !pip->empty()) {
    spec.set("pip", body["pip"]);
  }
  if (!body["requirements"].is_null()) spec.set("requirements", body["requirements"]);
  if (const auto* apt = body["apt"].as_array(); apt != nullptr && !apt->empty()) {
    spec.set("apt", body["apt"]);
  }
  if (!body["oci"].is_null()) spec.set("oci", body.text_or("oci_digest", ""));
  auto parsed = env::Spec::parse(spec);
  if (!parsed) return std::move(parsed).error().as("environment_spec");
  return parsed;
}

Result<> finish_build(Site& site, const env::Built& built) {
  COFFER_TRY(auto transaction, db::Transaction::begin(site.db));
  COFFER_CHECK(
      site.db.run("INSERT OR REPLACE INTO environment_digests(digest, name, description, bytes,"
                  " built) VALUES(?,?,?,?,?)",
                  {built.digest.text(), built.name, built.description,
                   static_cast<std::int64_t>(built.bytes), site.now_ms()}));
  COFFER_CHECK(
      site.db.run("UPDATE environments SET state = 'ready', digest = ?, percent = 100, stage ="
                  " 'ready', error = '', built = ? WHERE name = ?",
                  {built.digest.text(), site.now_ms(), built.name}));
  return transaction.commit();
}

// What was sent for a build that has ended is used up, unless another build waits for the same.
Result<> drop_archive_of(Site& site, const std::string& name) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT spec FROM environments WHERE name = ?1 AND NOT EXISTS (SELECT 1"
                         " FROM environments other WHERE other.spec = environments.spec AND"
                         " other.name <> ?1 AND other.state IN ('queued', 'building'))",
                         {name}));
  if (row) drop_archive(site, row->text(0));
  return {};
}

struct BuilderEvents {
  Site& site;
  Result<> operator()(const env::Progress& e) const {
    COFFER_CHECK(
        site.db.run("UPDATE environments SET state = 'building', stage = ?, percent = ? WHERE"
                    " name = ?",
                    {std::string(env::stage_name(e.stage)), std::int64_t{e.percent}, e.name}));
    if (e.line.empty()) return {};
    return site.db.run("UPDATE environments SET log = log || ? WHERE name = ? AND length(log) < ?",
                       {e.line + "\n", e.name, static_cast<std::int64_t>(kLogMax)});
  }
  Result<> operator()(const env::Built& e) const {
    COFFER_CHECK(drop_archive_of(site, e.name));
    return finish_build(site, e);
  }
  Result<> operator()(const env::Failed& e) const {
    COFFER_CHECK(drop_archive_of(site, e.name));
    return site.db.run(
        "UPDATE environments SET state = 'failed', stage = 'failed', error = ?, built = ?"
        " WHERE name = ?",
        {e.message, site.now_ms(), e.name});
  }
  Result<> operator()(const env::Removed&) const { return {}; }
};

Result<std::string> digest_of(Site& site, const std::string& name) {
  COFFER_TRY(
      const auto row,
      site.db.row("SELECT digest FROM environments WHERE name = ?1 AND digest <> '' UNION SELECT"
                  " digest FROM environment_digests WHERE digest = ?1",
                  {name}));
  if (row) return row->text(0);
  return Error{Code::NotFound, "no environment " + printable(name, 80)}
      .as("environment_unknown")
      .then("coffer env ls");
}

void send_unpack(Site& site, const std::string& upload) {
  Channel* channel = site.links.worker();
  if (channel == nullptr) return;  // resume_programs() asks again
  if (!channel->send(worker::encode(worker::Request{worker::Unpack{upload}}), kSendPatience)) {
    site.links.drop_worker();
  }
}

}  // namespace

Result<Json> post_environment(Site& site, const Caller& caller, const Json& body) {
  const std::string name = body.text_or("name", "");
  if (!env::is_environment_name(name))
    return bad_field("name", "must be [a-z0-9][a-z0-9._-]{0,62}");
  COFFER_TRY(const auto spec, spec_of(body));
  COFFER_TRY(const auto known,
             site.db.row("SELECT state FROM environments WHERE name = ?", {name}));
  if (known && known->text(0) == "building") {
    return Error{Code::FailedPrecondition, name + " is being built"}
        .as("environment_not_ready")
        .then("coffer env show " + name);
  }
  COFFER_CHECK(check_quota(site, caller, 0));
  if (spec.oci) COFFER_CHECK(keep_archive(site, caller, body.text_or("oci", ""), *spec.oci));
  const std::string text = spec.json().canonical();
  COFFER_CHECK(
      site.db.run("INSERT INTO environments(name, state, spec, user, stage, created) "
                  "VALUES(?,'queued',?,?,'queued',?)"
                  " ON CONFLICT(name) DO UPDATE SET state = 'queued', spec = excluded.spec, stage "
                  "= 'queued', error ="
                  " '', log = '', percent = 0, built = NULL",
                  {name, text, caller.user, site.now_ms()}));
  send_build(site, name, text);
  return show_environment(site, name);
}

Result<Json> list_environments(Site& site, const Page& page) {
  COFFER_TRY(const auto rows,
             site.db.rows(fmt::format("{} WHERE e.name > ? ORDER BY e.name LIMIT ?", kEnvironment),
                          {page.cursor, static_cast<std::int64_t>(page.limit + 1)}));
  Json::Array items;
  for (const auto& row : rows) {
    COFFER_TRY(Json item, environment_json(site, row));
    items.push_back(std::move(item));
  }
  return page_json(std::move(items), page, [&](std::size_t last) { return rows[last].text(0); });
}

Result<Json> show_environment(Site& site, const std::string& name) {
  COFFER_TRY(
      const auto row,
      site.db.row(fmt::format("{} WHERE e.name = ?1 OR e.digest = ?1", kEnvironment), {name}));
  if (row) return environment_json(site, *row);
  return Error{Code::NotFound, "no environment " + printable(name, 80)}
      .as("environment_unknown")
      .then("coffer env ls");
}

Result<Json> environment_log(Site& site, const std::string& name, std::uint64_t offset) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT log, state FROM environments WHERE name = ?", {name}));
  if (!row) return not_found("environment", name);
  const std::string& log = row->text(0);
  const std::string text = offset < log.size() ? log.substr(offset, kLogPage) : std::string{};
  return Json::object({{"text", text},
                       {"next_offset", std::uint64_t{offset + text.size()}},
                       {"state", row->text(1)}});
}

Result<std::filesystem::path> environment_archive(Site& site, const std::string& name) {
  COFFER_TRY(const auto digest, digest_of(site, name));
  COFFER_TRY(const Digest parsed, Digest::parse(digest));
  return site.data / "env" / hex(parsed.bytes) / "env.tar.zst";
}

Result<> remove_environment(Site& site, const Caller& caller, const std::string& name) {
  COFFER_CHECK(require_role(caller, "operator"));
  COFFER_TRY(const auto digest, digest_of(site, name));
  COFFER_TRY(const auto open_runs,
             site.db.rows("SELECT envelope FROM runs WHERE state IN ('queued','running')", {}));
  for (const auto& row : open_runs) {
    COFFER_TRY(const auto envelope, grant::parse_envelope(row.text(0)));
    COFFER_TRY(const auto run, grant::open<grant::Run>(envelope));
    if (run.environment.text() != digest) continue;
    return Error{Code::FailedPrecondition, name + " is used by a run that is not over"}.as(
        "environment_in_use");
  }
  COFFER_CHECK(site.db.run("DELETE FROM environments WHERE digest = ?", {digest}));
  COFFER_CHECK(site.db.run("DELETE FROM environment_digests WHERE digest = ?", {digest}));
  COFFER_TRY(const Digest parsed, Digest::parse(digest));
  if (Channel* channel = site.links.builder()) {
    if (!channel->send(env::encode(env::Request{env::Remove{parsed}}), kSendPatience)) {
      site.links.drop_builder();
    }
  }
  return {};
}

Result<> on_builder_record(Site& site, ByteView record) {
  COFFER_TRY(const auto event, env::decode_event(record));
  return std::visit(BuilderEvents{site}, event);
}

Result<> resume_builder(Site& site) {
  site.archives.clear();
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT name, spec FROM environments WHERE state IN ('queued',"
                          "'building') ORDER BY created"));
  for (const auto& row : rows) send_build(site, row.text(0), row.text(1));
  return {};
}

void post_program(Site& site, const Caller& caller, const Json& body, const JsonReply& reply) {
  const std::string upload = body.text_or("upload", "");
  const auto whole = open_upload(site, caller, upload);
  if (!whole) return reply(whole.error());
  const std::string wanted = body.text_or("digest", "");
  const std::string user = caller.user;
  site.unpacking.emplace(upload, [&site, reply, upload, wanted, user](Result<Json> done) {
    use_up(site, upload);
    if (!done) return reply(std::move(done));
    const std::string digest = done->text_or("digest", "");
    if (digest != wanted) {
      return reply(Error{Code::InvalidArgument, fmt::format("the upload unpacks to {}, not to {}",
                                                            digest, printable(wanted, 80))}
                       .as("program_tree")
                       .at("digest"));
    }
    if (auto kept = site.db.run(
            "INSERT OR IGNORE INTO programs(digest, user, files, bytes, created)"
            " VALUES(?,?,?,?,?)",
            {digest, user, done->int_or("files", 0), done->int_or("bytes", 0), site.now_ms()});
        !kept) {
      return reply(std::move(kept).error());
    }
    reply(show_program(site, digest));
  });
  send_unpack(site, upload);
}

Result<Json> show_program(Site& site, const std::string& digest) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT digest, files, bytes, created FROM programs WHERE digest ="
                         " ?",
                         {digest}));
  if (!row) {
    return Error{Code::NotFound, "no program " + printable(digest, 80)}.as("program_unknown");
  }
  return Json::object({{"digest", row->text(0)},
                       {"files", row->integer(1)},
                       {"bytes", row->integer(2)},
                       {"created", time_text(row->integer(3))}});
}

void resume_programs(Site& site) {
  std::string last;
  for (const auto& [upload, reply] : site.unpacking) {
    if (upload != last) send_unpack(site, upload);
    last = upload;
  }
}

}  // namespace coffer::front
