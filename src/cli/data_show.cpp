// coffer data ls, show, card, rm, twin.
#include <unistd.h>

#include "cli/data.h"
#include "cli/files.h"
#include "cli/problem.h"
#include "cli/version.h"
#include "gate/capacity.h"
#include "os/files.h"
#include "twin/twin.h"

namespace coffer::cli {
namespace {

std::uint64_t number(const Json& object, std::string_view key) {
  return object[key].as_uint().value_or(0);
}

std::string grade_text(const Json& document) {
  if (document.bool_or("public", false)) return "public";
  if (!document["class"].is_string()) return "ungraded";
  return document.text_or("class", "") + " " + std::to_string(document.int_or("grade", 0));
}

std::string amounts_text(const Json& amounts, bool with_epsilon) {
  std::string text = counted(number(amounts, "bits"), "bit");
  if (with_epsilon) text += ", epsilon_milli " + render_count(number(amounts, "epsilon_milli"));
  return text;
}

std::string versions_text(const Json& dataset) {
  std::vector<Cells> rows;
  if (const auto* versions = dataset["versions"].as_array()) {
    for (const auto& one : *versions) {
      const bool removed = one.bool_or("removed", false);
      rows.push_back({printable(one.text_or("dataset", "")),
                      removed ? "removed" : (one.bool_or("graded", false) ? "graded" : ""),
                      render_count(number(one, "files")), render_size(number(one, "bytes")),
                      one.text_or("created", ""),
                      shortened(printable(one.text_or("note", "")), 40)});
    }
  }
  return render_table({"VERSION", "", ">FILES", ">SIZE", "ADDED", "NOTE"}, rows);
}

Result<std::string> card_text(const Version& version) {
  if (!version.card) return std::string("no card yet\n");
  COFFER_TRY(const auto files, scan::files_from_card(version.card_payload["files"]));
  return render_published(files);
}

}  // namespace

Result<int> data_list(Session& session, const std::string& words) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json::Array items, server->list("/v1/datasets", query({{"q", words}})));
  session.print(Json::object({{"items", items}}), [&] {
    std::vector<Cells> rows;
    for (const auto& item : items) {
      rows.push_back({printable(item.text_or("latest", "")), printable(item.text_or("owner", "")),
                      grade_text(item), render_count(number(item, "files")),
                      render_size(number(item, "bytes")), item.text_or("updated", "")});
    }
    return render_table({"DATASET", "OWNER", "GRADE", ">FILES", ">SIZE", "UPDATED"}, rows);
  });
  return kExitDone;
}

Result<int> data_show(Session& session, const std::string& text) {
  COFFER_TRY(const auto name, dataset_argument(text));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json dataset, server->get(dataset_target(name)));
  COFFER_TRY(const Version version, fetch_version(session, name));
  Json document = dataset;
  document.set("version", version.document);
  COFFER_TRY(const std::string card, card_text(version));
  session.print(document, [&] {
    Fields fields{{"dataset", version.name.text()},
                  {"owner", printable(dataset.text_or("owner", ""))},
                  {"grade", grade_text(dataset)},
                  {"content", counted(version.manifest.files, "file") + ", " +
                                  render_size(version.manifest.bytes)},
                  {"manifest", version.digest.text()},
                  {"id", version.manifest.dataset_id}};
    if (const Json& limit = dataset["limit"]; limit.is_object()) {
      const bool with_epsilon = number(limit, "epsilon_milli") > 0;
      fields.emplace_back("limit for life", amounts_text(limit, with_epsilon));
      fields.emplace_back("spent", amounts_text(dataset["spent"], with_epsilon));
      fields.emplace_back("reserved", amounts_text(dataset["reserved"], with_epsilon));
    }
    return render_fields(fields) + "\n" + card + "\n" + versions_text(dataset);
  });
  return kExitDone;
}

Result<int> data_card(Session& session, const DataCardOptions& options) {
  COFFER_TRY(const auto name, dataset_argument(options.name));
  COFFER_TRY(Server * server, session.server());
  Json change = Json::object({});
  if (!options.file.empty()) {
    COFFER_TRY(std::string text, read_whole(options.file, 262144));
    change.set("readme", std::move(text));
  }
  if (!options.visible.empty()) change.set("visible", options.visible);
  const bool changes = !change.as_object()->empty();
  COFFER_TRY(const Json dataset, changes ? server->patch(dataset_target(name), change)
                                         : server->get(dataset_target(name)));
  COFFER_TRY(const Version version, fetch_version(session, name));
  COFFER_TRY(const std::string card, card_text(version));
  Json document = Json::object({{"dataset", version.name.text()},
                                {"visible", dataset["visible"]},
                                {"readme", dataset["readme"]},
                                {"card", version.card_payload}});
  session.print(document, [&] {
    std::string readme;
    for (const auto& line : split(dataset.text_or("readme", ""), '\n')) {
      readme += printable(line, 2000) + "\n";
    }
    return render_fields({{"dataset", version.name.text()},
                          {"grade", grade_text(dataset)},
                          {"visible to", dataset.text_or("visible", "")}}) +
           "\n" + card + (trim(readme).empty() ? "" : "\n" + readme);
  });
  return kExitDone;
}

// Signed like a revocation: of the manifest instead of a grant.
Result<int> data_remove(Session& session, const std::string& text) {
  COFFER_TRY(const auto name, dataset_argument(text));
  if (!name.version)
    return usage_error("which version? " + name.plain() + "@vN",
                       "coffer data show " + name.plain());
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(const Version version, fetch_version(session, name));
  const grant::Revocation statement{version.digest, "removed by its owner", session.now()};
  COFFER_TRY(const Json answer,
             server->post(
                 version_target(name) + "/removal",
                 Json::object({{"envelope", envelope_json(grant::sign(statement, keys->sign))}})));
  session.print(answer, [&] {
    return name.text() + " is removed: its key is gone, " +
           counted(number(answer, "chunks_deleted"), "chunk") + " deleted\n";
  });
  return kExitDone;
}

Result<int> data_twin(Session& session, const DataTwinOptions& options) {
  COFFER_TRY(const auto name, dataset_argument(options.name));
  twin::Options how{.rows = {}, .seed = options.seed};
  if (!options.rows.empty()) {
    auto rows = parse_count(options.rows);
    if (!rows) return usage_error("--rows: " + rows.error().message);
    how.rows = *rows;
  }
  COFFER_TRY(const Version version, fetch_version(session, name));
  if (!version.card) {
    return refused("not_graded", version.name.text() + " has no card to make a twin from",
                   "ask its owner: coffer data grade " + name.plain());
  }
  COFFER_CHECK(require_new(options.output));
  COFFER_CHECK(make_directory(options.output, Access::Ordinary));
  COFFER_TRY(const UniqueFd directory, open_directory(options.output));
  COFFER_TRY(const twin::Made made, twin::make(version.card_payload, how, directory.get()));
  Json document = Json::object({{"dataset", version.name.text()},
                                {"directory", options.output},
                                {"files", made.files},
                                {"bytes", made.bytes},
                                {"notes", made.notes}});
  session.print(document, [&] {
    std::string text = "twin of " + version.name.text() + " in " + options.output + ": " +
                       counted(made.files, "file") + ", " + render_size(made.bytes) +
                       ", no private row in it\n";
    for (const auto& note : made.notes) text += "note: " + printable(note) + "\n";
    return text;
  });
  return kExitDone;
}

}  // namespace coffer::cli
