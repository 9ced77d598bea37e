#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "front/runs.h"
#include "grant/objects.h"
#include "program/manifest.h"
#include "program/report.h"

namespace coffer::front {
namespace {

Json time_or_null(const db::Row& row, std::size_t column) {
  return row.is_null(column) ? Json{} : Json{time_text(row.integer(column))};
}

Json text_or_null(const std::string& text) { return text.empty() ? Json{} : Json{text}; }

// The next instant at which a running run may show news.
Json next_visible(Site& site, const db::Row& run, const grant::Run& object) {
  if (run.text(2) != "running" || run.is_null(6)) return {};
  const auto slots = program::make_slots(
      object.resources.time_s, program::judging_allowance_s(object.resources.output_bytes));
  const std::int64_t started = run.integer(6);
  for (const std::uint64_t slot : slots.instants_s) {
    const std::int64_t at = started + static_cast<std::int64_t>(slot) * 1000;
    if (at > site.now_ms()) return time_text(at);
  }
  return time_text(started + static_cast<std::int64_t>(slots.last()) * 1000);
}

Result<Json> inputs_json(Site& site, const grant::Run& object) {
  Json out = Json::array();
  for (const auto& input : object.inputs) {
    COFFER_TRY(const auto row,
               site.db.row("SELECT d.name, v.n FROM versions v JOIN datasets d ON d.id = v.dataset"
                           " WHERE v.manifest = ?",
                           {input.manifest.text()}));
    out.push(Json::object(
        {{"alias", input.alias},
         {"dataset", row ? fmt::format("{}@v{}", row->text(0), row->integer(1)) : std::string{}},
         {"digest", input.manifest.text()}}));
  }
  return out;
}

Json parameters_json(const grant::Run& object) {
  Json out = Json::object({});
  for (const auto& [name, value] : object.parameters) out.set(name, value);
  return out;
}

Json resources_of(const grant::Run& object) {
  return Json::object({{"cpus", object.resources.cpus},
                       {"memory_bytes", object.resources.memory_bytes},
                       {"time_s", object.resources.time_s},
                       {"output_bytes", object.resources.output_bytes},
                       {"gpus", object.resources.gpus}});
}

constexpr std::string_view kRunColumns =
    "SELECT digest, id, state, cause, user, submitted, started, ended, deadline, envelope, name, "
    "quote,"
    " charged, cell_proof, ledger_first, ledger_last FROM runs";

Result<Json> render(Site& site, const db::Row& row) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(row.text(9)));
  COFFER_TRY(const auto object, grant::open<grant::Run>(envelope));
  COFFER_TRY(Json inputs, inputs_json(site, object));
  COFFER_TRY(Json outputs, outputs_json(site, row.text(0)));
  COFFER_TRY(Json quote, Json::parse(row.text(11)));
  COFFER_TRY(Json charged, Json::parse(row.text(12)));
  Json grants = Json::array();
  for (const auto& grant : object.grants) grants.push(grant::grant_id(grant));
  const bool over = row.text(2) != "queued" && row.text(2) != "running";
  return Json::object(
      {{"id", row.text(1)},
       {"digest", row.text(0)},
       {"user", row.text(4)},
       {"state", row.text(2)},
       {"cause", text_or_null(row.text(3))},
       {"next_visible", next_visible(site, row, object)},
       {"program", Json::object({{"name", row.text(10)}, {"digest", object.program.text()}})},
       {"grants", std::move(grants)},
       {"inputs", std::move(inputs)},
       {"environment", object.environment.text()},
       {"parameters", parameters_json(object)},
       {"resources", resources_of(object)},
       {"outputs", std::move(outputs)},
       {"charged", std::move(charged)},
       {"quote", std::move(quote)},
       {"submitted", time_text(row.integer(5))},
       {"started", time_or_null(row, 6)},
       {"ended", time_or_null(row, 7)},
       {"deadline", over ? Json{} : Json{time_text(row.integer(8))}},
       {"cell_proof", text_or_null(row.text(13))},
       {"ledger", Json::object({{"first", row.integer(14)}, {"last", row.integer(15)}})}});
}

// Who may see a run: its user, auditors and operators, owners of its inputs, approvers of its
// grants.
constexpr std::string_view kVisible =
    "(?1 OR user = ?2 OR EXISTS(SELECT 1 FROM run_grants g LEFT JOIN grant_users u ON"
    " u.grant_digest = g.grant_digest LEFT JOIN grants t ON t.digest = g.grant_digest WHERE"
    " g.run = runs.digest AND (t.owner = ?2 OR (u.user = ?2 AND u.role = 'approver'))))";

bool sees_all(const Caller& caller) { return caller.is("auditor") || caller.is("operator"); }

// ?1 and ?2 of kVisible.
std::vector<db::Value> visible_to(const Caller& caller) {
  return {std::int64_t{sees_all(caller) ? 1 : 0}, caller.user};
}

// `id`: as people see it, or the digest. `select`: columns of runs.
Result<db::Row> visible_run(Site& site, const Caller& caller, std::string_view select,
                            std::string_view id) {
  std::vector<db::Value> parameters = visible_to(caller);
  parameters.emplace_back(std::string(id));
  const std::string_view key = id.starts_with("run_") ? "id" : "digest";
  COFFER_TRY(auto row, site.db.row(fmt::format("{} WHERE {} = ?3 AND {}", select, key, kVisible),
                                   parameters));
  if (!row) return not_found("run", id);
  return *std::move(row);
}

// Where a run stands in a list, newest first: stable while runs are added.
struct Place {
  std::int64_t submitted{INT64_MAX};
  std::string digest;
  auto operator<=>(const Place&) const = default;
};

// A page's cursor is the place of its last run.
Result<Place> place_of(const std::string& cursor) {
  if (cursor.empty()) return Place{};
  const auto parts = split(cursor, '.');
  const auto submitted = parts.size() == 2 ? Json{Json::Number{parts[0]}}.as_int() : std::nullopt;
  if (!submitted) return bad_field("cursor", "is not one of this list");
  return Place{*submitted, parts[1]};
}

struct Window {
  Place before;
  std::int64_t limit{0};
};

// Each source of a list gives its newest runs in the order of an index, so that a page costs the
// same however many runs there are. ?3 and ?4 the place, ?5 the limit, ?6 the state, ?7 of whom.
constexpr std::string_view kOfAll =
    "SELECT submitted, digest FROM runs WHERE (submitted, digest) < (?3, ?4) AND {}"
    " ORDER BY submitted DESC, digest DESC LIMIT ?5";
constexpr std::string_view kOfUser =
    "SELECT submitted, digest FROM runs WHERE user = ?7 AND (submitted, digest) < (?3, ?4) AND {}"
    " ORDER BY submitted DESC, digest DESC LIMIT ?5";
constexpr std::string_view kOfGrant =
    "SELECT x.submitted, x.run FROM run_grants x CROSS JOIN runs ON runs.digest = x.run WHERE"
    " x.grant_digest = ?7 AND (x.submitted, x.run) < (?3, ?4) AND {} AND {}"
    " ORDER BY x.submitted DESC, x.run DESC LIMIT ?5";

class RunList {
 public:
  RunList(Site& site, const Caller& caller, const RunFilter& filter, Window window)
      : site_(site), caller_(caller), filter_(filter), window_(std::move(window)) {}

  Result<std::vector<Place>> newest() {
    if (!filter_.grant.empty()) {
      COFFER_TRY(const auto grant,
                 site_.db.row("SELECT digest FROM grants WHERE id = ?", {filter_.grant}));
      if (grant) COFFER_CHECK(take(kOfGrant, grant->text(0)));
    } else if (sees_all(caller_)) {
      COFFER_CHECK(take(kOfAll, ""));
    } else {
      COFFER_CHECK(take(kOfUser, caller_.user));
      COFFER_TRY(const auto watched,
                 site_.db.rows("SELECT digest FROM grants WHERE owner = ?1 UNION SELECT"
                               " grant_digest FROM grant_users WHERE user = ?1 AND role ="
                               " 'approver'",
                               {caller_.user}));
      for (const auto& grant : watched) COFFER_CHECK(take(kOfGrant, grant.text(0)));
    }
    std::sort(places_.begin(), places_.end(), std::greater{});
    places_.erase(std::unique(places_.begin(), places_.end()), places_.end());
    if (places_.size() > static_cast<std::size_t>(window_.limit)) {
      places_.resize(static_cast<std::size_t>(window_.limit));
    }
    return std::move(places_);
  }

 private:
  Result<> take(std::string_view source, const std::string& of) {
    std::vector<db::Value> parameters = visible_to(caller_);
    parameters.emplace_back(window_.before.submitted);
    parameters.emplace_back(window_.before.digest);
    parameters.emplace_back(window_.limit);
    parameters.emplace_back(filter_.state);
    if (source != kOfAll) parameters.emplace_back(of);
    const std::string_view state = filter_.state.empty() ? "?6 = ''" : "runs.state = ?6";
    COFFER_TRY(const auto rows,
               site_.db.rows(fmt::format(fmt::runtime(source), state, kVisible), parameters));
    for (const auto& row : rows) places_.push_back({row.integer(0), row.text(1)});
    return {};
  }

  Site& site_;
  const Caller& caller_;
  const RunFilter& filter_;
  Window window_;
  std::vector<Place> places_;
};

Result<Json> event_json(const db::Row& row) {
  COFFER_TRY(const Json body, Json::parse(row.text(2)));
  Json event = Json::object({{"seq", row.integer(0)}, {"time", time_text(row.integer(1))}});
  for (const char* name : {"kind", "state", "output", "verdict", "text"})
    event.set(name, body[name]);
  return event;
}

}  // namespace

Json amounts_json(const program::Cost& cost) { return program::cost_json(cost); }

Result<Json> outputs_json(Site& site, const std::string& digest) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT name, kind, lane, verdict, refusal, bits, bits_max,"
                          " release FROM outputs WHERE run = ? ORDER BY position",
                          {digest}));
  Json out = Json::array();
  for (const auto& row : rows) {
    const bool released = row.text(3) == "released";
    out.push(Json::object({{"name", row.text(0)},
                           {"kind", row.text(1)},
                           {"lane", row.text(2)},
                           {"verdict", text_or_null(row.text(3))},
                           {"refusal", text_or_null(row.text(4))},
                           {"bits", released ? row.integer(5) : row.integer(6)},
                           {"release", text_or_null(row.text(7))}}));
  }
  return out;
}

Result<std::string> find_run(Site& site, const Caller& caller, std::string_view id) {
  COFFER_TRY(const auto row, visible_run(site, caller, "SELECT digest FROM runs", id));
  return row.text(0);
}

Result<Json> run_json(Site& site, const std::string& digest) {
  COFFER_TRY(const auto row,
             site.db.row(fmt::format("{} WHERE digest = ?", kRunColumns), {digest}));
  if (!row) return not_found("run", digest);
  return render(site, *row);
}

Result<Json> show_run(Site& site, const Caller& caller, std::string_view id) {
  COFFER_TRY(const auto row, visible_run(site, caller, kRunColumns, id));
  return render(site, row);
}

Result<Json> list_runs(Site& site, const Caller& caller, const RunFilter& filter,
                       const Page& page) {
  COFFER_TRY(const Place before, place_of(page.cursor));
  const Window window{before, static_cast<std::int64_t>(page.limit + 1)};
  COFFER_TRY(const auto places, RunList(site, caller, filter, window).newest());
  Json items = Json::array();
  Json next;
  for (std::size_t i = 0; i < places.size() && i < page.limit; ++i) {
    COFFER_TRY(Json item, run_json(site, places[i].digest));
    items.push(std::move(item));
    if (i + 1 == page.limit && places.size() > page.limit) {
      next = fmt::format("{}.{}", places[i].submitted, places[i].digest);
    }
  }
  return Json::object({{"items", std::move(items)}, {"next_cursor", std::move(next)}});
}

Result<Json> run_log(Site& site, const Caller& caller, std::string_view id) {
  COFFER_TRY(const auto digest, find_run(site, caller, id));
  COFFER_TRY(const Json run, run_json(site, digest));
  COFFER_TRY(const auto row,
             site.db.row("SELECT report, problem FROM runs WHERE digest = ?", {digest}));
  COFFER_TRY(const auto events, run_events(site, caller, id, 0));
  Json report;
  if (row && !row->text(0).empty()) {
    COFFER_TRY(report, Json::parse(row->text(0)));
  }
  Json problem;
  if (row && !row->text(1).empty()) problem = row->text(1);
  return Json::object({{"id", run["id"]},
                       {"state", run["state"]},
                       {"cause", run["cause"]},
                       {"report", std::move(report)},
                       {"problem", std::move(problem)},
                       {"outputs", run["outputs"]},
                       {"events", Json{Json::Array(events.events)}},
                       {"next_visible", run["next_visible"]}});
}

Result<RunEvents> run_events(Site& site, const Caller& caller, std::string_view id,
                             std::int64_t after_seq) {
  COFFER_TRY(const auto digest, find_run(site, caller, id));
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT n, time, body FROM events WHERE run = ? AND n > ?"
                          " ORDER BY n",
                          {digest, after_seq}));
  COFFER_TRY(const auto state, site.db.row("SELECT state FROM runs WHERE digest = ?", {digest}));
  RunEvents out;
  for (const auto& row : rows) {
    COFFER_TRY(Json event, event_json(row));
    out.events.push_back(std::move(event));
  }
  const std::string& now = state->text(0);
  out.over = now != "queued" && now != "running" && now != "held";
  return out;
}

Result<> add_event(Site& site, const std::string& digest, const RunNews& news) {
  COFFER_TRY(const auto run, site.db.row("SELECT state FROM runs WHERE digest = ?", {digest}));
  Json verdict;
  if (!news.output.empty()) {
    COFFER_TRY(const auto output,
               site.db.row("SELECT verdict FROM outputs WHERE run = ? AND name = ?",
                           {digest, news.output}));
    if (output) verdict = text_or_null(output->text(0));
  }
  const Json body = Json::object({{"kind", news.kind},
                                  {"state", run ? run->text(0) : std::string{}},
                                  {"output", text_or_null(news.output)},
                                  {"verdict", std::move(verdict)},
                                  {"text", news.text}});
  return site.db.run(
      "INSERT INTO events(run, n, time, body) SELECT ?, COALESCE(MAX(n), 0) + 1, ?, ?"
      " FROM events WHERE run = ?",
      {digest, site.now_ms(), body.canonical(), digest});
}

}  // namespace coffer::front
