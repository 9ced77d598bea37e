// coffer data scan, grade, limit: what the owner says of a dataset, signed here.
#include <algorithm>

#include "cli/data.h"
#include "cli/files.h"
#include "cli/problem.h"
#include "cli/version.h"
#include "program/decimal.h"
#include "scan/columns_csv.h"

namespace coffer::cli {
namespace {

constexpr std::size_t kValuesShown = 8;

Result<scan::Proposal> fetch_proposal(Session& session, const Version& version) {
  COFFER_TRY(Server * server, session.server());
  if (version.manifest.is_public) {
    return refused("public_dataset", version.name.plain() + " is public: it needs no grade");
  }
  COFFER_TRY(const Json view, server->get(version_target(version.name) + "/owner"));
  COFFER_TRY(const ByteVector text, session.open_box(view["proposal"]));
  COFFER_TRY(const Json json, Json::parse(text_of(text)));
  return scan::proposal_from_json(json);
}

std::string render_proposal(const scan::Proposal& proposal) {
  std::vector<Cells> rows;
  for (const auto& file : proposal.files) {
    const std::string path = printable(file.path, 80);
    if (file.columns.empty()) {
      rows.push_back({path, "", file.format, file.publish == scan::Publish::Yes ? "yes" : "no",
                      shortened(printable(file.reason), 60)});
    }
    for (const auto& column : file.columns) {
      rows.push_back({path, printable(column.name, 60), std::string(text_of(column.kind)),
                      column.publish == scan::Publish::Yes ? "yes" : "no",
                      shortened(printable(column.reason), 60)});
    }
    for (const auto& tag : file.tags) {
      rows.push_back({path, "tag:" + printable(tag.name, 60), std::string(text_of(tag.kind)), "no",
                      shortened(printable(tag.reason), 60)});
    }
  }
  std::string text = render_table({"FILE", "COLUMN", "KIND", "PUBLISH", "REASON"}, rows);
  for (const auto& note : proposal.notes) text += "note: " + printable(note) + "\n";
  return text;
}

std::string published_range(const scan::Column& column) {
  if (!column.values.empty()) {
    std::vector<std::string> shown;
    for (const auto& value : column.values) {
      if (shown.size() < kValuesShown) shown.push_back(printable(value, 40));
    }
    const auto more = column.values.size() - shown.size();
    return join(shown, " | ") + (more > 0 ? " and " + std::to_string(more) + " more" : "");
  }
  return column.min.empty() ? "" : column.min + " to " + column.max;
}

// Of a table that can be read in two ways a value may stand under the wrong column's name.
Result<> check_tables(const DataGradeOptions& options, const scan::Proposal& proposal) {
  for (const auto& file : proposal.files) {
    if (file.defect.empty()) continue;
    return refused("broken_table",
                   printable(file.path, 80) + ": " + file.defect +
                       "; mend it and add it again, or say with --columns what is published",
                   "coffer data scan " + options.name + " -o columns.csv");
  }
  return {};
}

Result<scan::Proposal> decided(const DataGradeOptions& options, const scan::Proposal& proposal) {
  if (options.accept_proposed == !options.columns.empty()) {
    return usage_error("say what is published: --accept-proposed, or --columns FILE",
                       "coffer data scan " + options.name + " -o columns.csv");
  }
  if (options.accept_proposed) {
    COFFER_CHECK(check_tables(options, proposal));
    return proposal;
  }
  COFFER_TRY(const std::string text, read_whole(options.columns));
  return scan::parse_columns_csv(text, proposal);
}

// Integers come as JSON integers; whatever the card's form is, only what parses is signed.
Result<grant::Card> card_of(const DataGradeOptions& options, const Version& version,
                            const scan::Proposal& proposal, std::uint64_t sequence,
                            const std::string& ledger_vkey, UnixTime now) {
  const auto data_class = grant::class_of(options.data_class);
  if (!data_class) return usage_error("--class is general, important or core");
  if (options.grade < 1 || options.grade > 4) return usage_error("--grade is 1, 2, 3 or 4");
  const Json json = Json::object({{"dataset_id", version.manifest.dataset_id},
                                  {"manifest", version.digest.text()},
                                  {"class", options.data_class},
                                  {"grade", options.grade},
                                  {"sequence", sequence},
                                  {"owner_key", base64(version.manifest.owner_key)},
                                  {"ledger_vkey", ledger_vkey},
                                  {"issued", render_time(now)},
                                  {"files", scan::card_files(proposal)}});
  return grant::parse<grant::Card>(json.canonical());
}

Result<> require_owner(const Version& version, const KeyPair& keys) {
  if (version.manifest.owner_key == keys.sign.public_key()) return {};
  Error error = refused("not_owner",
                        version.name.plain() + " belongs to another key than yours (" +
                            printable(version.document.text_or("owner", "")) + ")",
                        "coffer key ls");
  error.code = Code::Denied;
  return error;
}

}  // namespace

Result<int> data_scan(Session& session, const DataScanOptions& options) {
  COFFER_TRY(const auto name, dataset_argument(options.name));
  COFFER_TRY(const Version version, fetch_version(session, name));
  COFFER_TRY(const scan::Proposal proposal, fetch_proposal(session, version));
  if (!options.output.empty()) {
    COFFER_CHECK(replace_file(options.output, scan::render_columns_csv(proposal), Access::Private));
  }
  session.print(scan::to_json(proposal), [&] {
    std::string text = render_proposal(proposal);
    if (!options.output.empty()) {
      text += "written to " + options.output + ": edit kind, values and publish, then\n" +
              "  coffer data grade " + name.plain() + " --class … --grade … --columns " +
              options.output + "\n";
    }
    return text;
  });
  return kExitDone;
}

std::string render_published(const std::vector<scan::File>& files) {
  std::vector<Cells> rows;
  for (const auto& file : files) {
    const std::string path = printable(file.path, 80);
    rows.push_back({path, "", file.format, file.rows > 0 ? counted(file.rows, "row") : ""});
    for (const auto& column : file.columns) {
      rows.push_back(
          {path, printable(column.name, 60),
           std::string(text_of(column.kind)) + " " + std::string(text_of(column.type)),
           published_range(column) + (column.blanks == scan::Blanks::Allowed ? " (blanks)" : "")});
    }
  }
  return render_table({"FILE", "COLUMN", "KIND", "PUBLISHED"}, rows);
}

std::string grade_table() {
  return "class, grade   card visible to  lanes                          approvers        twin\n"
         "general 1-2    all              any                            above automatic  schema\n"
         "general 3-4    members          any                            above automatic  schema\n"
         "important 1-4  members          any                            always, 1        schema\n"
         "core 1-4       named users      statistics, proved,            always, 2        schema,\n"
         "                                bounded <= 256 bits a run                       "
         "exclusive\n";
}

Result<int> data_grade(Session& session, const DataGradeOptions& options) {
  COFFER_TRY(const auto name, dataset_argument(options.name));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(const Version version, fetch_version(session, name));
  COFFER_CHECK(require_owner(version, *keys));
  COFFER_TRY(const scan::Proposal proposal, fetch_proposal(session, version));
  COFFER_TRY(const scan::Proposal wanted, decided(options, proposal));
  COFFER_TRY(const Json dataset, server->get(dataset_target(version.name)));
  const auto sequence = static_cast<std::uint64_t>(dataset.int_or("card_sequence", 0)) + 1;
  COFFER_TRY(const grant::Card card, card_of(options, version, wanted, sequence,
                                             profile->keeper.ledger_vkey, session.now()));
  COFFER_TRY(const auto files, scan::files_from_card(grant::to_json(card)["files"]));
  COFFER_TRY(
      const Json answer,
      server->post(dataset_target(version.name) + "/card",
                   Json::object({{"envelope", envelope_json(grant::sign(card, keys->sign))}})));
  Json document = answer;
  document.set("class", options.data_class).set("grade", options.grade);
  document.set("files", grant::to_json(card)["files"]);
  session.print(document, [&] {
    return render_published(files) + version.name.text() + " is " + options.data_class +
           ", grade " + std::to_string(options.grade) + "; nothing else of it is public\n" +
           (dataset["limit"].is_null()
                ? "next: coffer data limit " + version.name.plain() + " --bits N\n"
                : std::string{});
  });
  return kExitDone;
}

Result<std::uint64_t> parse_epsilon(std::string_view text) {
  if (text.empty()) return std::uint64_t{0};
  const auto value = program::Decimal::parse(text);
  const auto scaled = value ? value->scaled(3) : std::nullopt;
  if (!scaled || *scaled < 0) {
    return usage_error("'" + printable(text, 40) + "' is no epsilon: write 1 or 0.125");
  }
  return static_cast<std::uint64_t>(*scaled);
}

Result<int> data_limit(Session& session, const DataLimitOptions& options) {
  COFFER_TRY(const auto name, plain_dataset_argument(options.name));
  auto bits = parse_count(options.bits);
  if (!bits) return usage_error("--bits: " + bits.error().message);
  COFFER_TRY(const std::uint64_t epsilon, parse_epsilon(options.epsilon));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(const Version version, fetch_version(session, name));
  COFFER_CHECK(require_owner(version, *keys));
  COFFER_TRY(const Json dataset, server->get(dataset_target(name)));
  grant::Limit limit;
  limit.dataset_id = version.manifest.dataset_id;
  limit.bits = *bits;
  limit.epsilon_milli = epsilon;
  limit.overcommit = options.overcommit;
  limit.sequence = static_cast<std::uint64_t>(dataset.int_or("limit_sequence", 0)) + 1;
  limit.owner_key = keys->sign.public_key();
  limit.ledger_vkey = profile->keeper.ledger_vkey;
  limit.issued = session.now();
  COFFER_TRY(
      const Json answer,
      server->post(dataset_target(name) + "/limit",
                   Json::object({{"envelope", envelope_json(grant::sign(limit, keys->sign))}})));
  session.print(answer, [&] {
    const auto spent = static_cast<std::uint64_t>(answer["spent"].int_or("bits", 0));
    const auto reserved = static_cast<std::uint64_t>(answer["reserved"].int_or("bits", 0));
    return "at most " + counted(*bits, "bit") + " of " + name.plain() +
           " may ever leave, over all grants and versions; spent " + render_count(spent) +
           ", reserved " + render_count(reserved) + "\n";
  });
  return kExitDone;
}

}  // namespace coffer::cli
