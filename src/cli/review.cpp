// coffer review ls, next, show, approve, refuse, return: decisions about held outputs.
#include <unistd.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/files.h"
#include "cli/sealed.h"
#include "gate/capacity.h"
#include "os/files.h"

namespace coffer::cli {
namespace {

constexpr std::size_t kTextShown = 256 << 10;

std::uint64_t number(const Json& object, std::string_view key) {
  return object[key].as_uint().value_or(0);
}

std::string text_list(const Json& array) {
  std::vector<std::string> texts;
  if (const auto* items = array.as_array()) {
    for (const auto& item : *items) {
      if (const auto* text = item.as_string()) texts.push_back(printable(*text, 400));
    }
  }
  return join(texts, ", ");
}

// The held outputs of a run, or the one named; all of them when `run` is empty.
Result<Json::Array> reviews_of(Session& session, const RunOutputName& name) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json::Array all, server->list("/v1/reviews"));
  if (name.run.empty()) return all;
  std::vector<std::string> runs;
  for (const auto& item : all) {
    const std::string run = item.text_or("run", "");
    if (runs.empty() || runs.back() != run) runs.push_back(run);
  }
  std::sort(runs.begin(), runs.end());
  runs.erase(std::unique(runs.begin(), runs.end()), runs.end());
  std::string run = name.run;
  if (!is_whole_id(kRunNoun.prefix, run)) {
    COFFER_TRY(run, run == "@last" ? session.last("run") : match_id(kRunNoun, run, runs));
  }
  Json::Array found;
  for (const auto& item : all) {
    const bool same = name.output.empty() || item.text_or("output", "") == name.output;
    if (same && item.text_or("run", "") == run) found.push_back(item);
  }
  if (found.empty()) {
    return refused("not_held",
                   "nothing of " + name.run + (name.output.empty() ? "" : "/" + name.output) +
                       " waits for you",
                   "coffer review ls");
  }
  return found;
}

Result<int> list_reviews(Session& session) {
  COFFER_TRY(const Json::Array items, reviews_of(session, {}));
  session.print(Json::object({{"items", items}}), [&]() -> std::string {
    if (items.empty()) return "nothing waits for your approval\n";
    std::vector<Cells> rows;
    for (const auto& item : items) {
      rows.push_back({item.text_or("run", "") + "/" + printable(item.text_or("output", "")),
                      item.text_or("kind", ""), printable(item.text_or("user", "")),
                      text_list(item["datasets"]), render_count(number(item, "output_bits")),
                      item.text_or("deadline", "")});
    }
    return render_table({"OUTPUT", "KIND", "BY", "DATA", ">AT MOST BITS", "DEADLINE"}, rows);
  });
  return kExitDone;
}

struct Shown {
  Json answer;
  OpenedFile output;
  Json evidence;  // null when it cannot be read
};

Result<OpenedFile> fetch_opened(Session& session, const Json& answer, std::string_view key_name,
                                std::string_view path_name) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(const ByteVector key_bytes, session.open_box(answer[key_name]));
  COFFER_TRY(const Key key, key_from(key_bytes));
  COFFER_TRY(const Digest run, Digest::parse(answer["review"].text_or("run_digest", "")));
  const std::string path = answer.text_or(path_name, "");
  if (!path.starts_with("/v1/")) return refused("corrupt", "the server names no sealed file");
  COFFER_TRY(const UniqueFd fd, scratch_file(places.data / "scratch"));
  COFFER_CHECK(server->download(path, fd.get()));
  COFFER_TRY(const std::uint64_t size, size_of(fd.get()));
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return Error{Code::Unavailable, "cannot seek"};
  COFFER_TRY(const ByteVector sealed, coffer::read_all(fd.get(), size));
  return open_sealed(key, sealed, run, answer["review"].text_or("output", ""));
}

Result<Shown> open_review(Session& session, const Json& review) {
  COFFER_TRY(Server * server, session.server());
  const std::string run = review.text_or("run", "");
  const std::string output = review.text_or("output", "");
  COFFER_TRY(Json answer, server->get(target({"v1", "runs", run, "outputs", output, "evidence"})));
  COFFER_TRY(OpenedFile file, fetch_opened(session, answer, "output_key", "sealed_output"));
  if (file.commitment.text() != answer["review"].text_or("commitment", "")) {
    return refused("corrupt", "the output shown is not the one that would be released");
  }
  COFFER_TRY(const OpenedFile facts,
             fetch_opened(session, answer, "evidence_key", "sealed_evidence"));
  COFFER_TRY(Json evidence, Json::parse(facts.content));
  return Shown{std::move(answer), std::move(file), std::move(evidence)};
}

// Names, types and shapes; the numbers themselves say nothing to a reader.
std::string render_tensors(const std::string& content) {
  if (content.size() < 8) return "not a tensors file\n";
  std::uint64_t length = 0;
  for (unsigned i = 0; i < 8; ++i) {
    length |= std::uint64_t{static_cast<unsigned char>(content[i])} << (8 * i);
  }
  if (length > content.size() - 8) return "not a tensors file\n";
  const auto header = Json::parse(trim(content.substr(8, static_cast<std::size_t>(length))));
  if (!header || !header->is_object()) return "not a tensors file\n";
  std::vector<Cells> rows;
  for (const auto& [name, tensor] : *header->as_object()) {
    rows.push_back({printable(name), tensor.text_or("dtype", ""), tensor["shape"].canonical()});
  }
  return render_table({"TENSOR", "TYPE", "SHAPE"}, rows);
}

std::string render_content(const Json& review, const std::string& content) {
  if (review.text_or("kind", "") == "tensors") return render_tensors(content);
  std::string text;
  for (const auto& line : split(content.substr(0, kTextShown), '\n')) {
    if (!line.empty()) text += "  " + printable(line, 4096) + "\n";
  }
  if (content.size() > kTextShown) text += "  … " + render_size(content.size()) + " in all\n";
  return text;
}

std::string render_capacity(const Shown& shown) {
  std::string text;
  const std::uint64_t bits = number(shown.answer["review"], "output_bits");
  if (const auto* cards = shown.answer["cards"].as_array()) {
    for (const auto& card : *cards) {
      text += printable(card.text_or("dataset", "")) + ": " +
              gate::capacity_sentence(gate::capacity_of(bits, card["card"])) + "\n";
    }
  }
  const Json& facts = shown.evidence["evidence"];
  const std::string rows =
      gate::rows_sentence(bits, number(facts, "zstd_bits_per_row"), number(facts, "rows"));
  return text + (rows.empty() ? "" : rows + "\n");
}

std::string render_evidence(const Json& evidence) {
  Fields fields;
  if (const auto* members = evidence.as_object()) {
    for (const auto& [name, value] : *members) {
      std::string label = name;
      std::replace(label.begin(), label.end(), '_', ' ');
      fields.emplace_back("  " + label,
                          printable(value.is_string() ? *value.as_string() : value.canonical()));
    }
  }
  return render_fields(fields);
}

std::string render_shown(const Shown& shown) {
  const Json& review = shown.answer["review"];
  const std::string name =
      review.text_or("run", "") + "/" + printable(review.text_or("output", ""));
  return render_fields(
             {{"output", name + "  (" + review.text_or("kind", "") + ")"},
              {"program", printable(review["program"].text_or("name", "")) + "  " +
                              review["program"].text_or("digest", "")},
              {"by", printable(review.text_or("user", ""))},
              {"purpose", text_list(review["purposes"])},
              {"deadline", review.text_or("deadline", "") + ", then withheld"},
              {"approvals", std::to_string(number(review, "approvals_needed")) + " needed"}}) +
         "\n" + render_capacity(shown) + "\nevidence\n" +
         render_evidence(shown.evidence["evidence"]) + "\ncontent, " +
         render_size(shown.output.content.size()) + ", commitment fits\n" +
         render_content(review, shown.output.content) +
         "\nnext: coffer review approve|refuse|return " + name + " --reason CODE\n";
}

Json shown_json(const Shown& shown) {
  Json document = shown.answer;
  document.set("evidence", shown.evidence);
  const bool text = shown.answer["review"].text_or("kind", "") != "tensors";
  document.set("content", text && is_utf8(shown.output.content)
                              ? shown.output.content
                              : base64(bytes_of(shown.output.content)));
  return document;
}

Result<int> show(Session& session, const Json::Array& reviews) {
  std::string human;
  Json documents = Json::array();
  for (const auto& review : reviews) {
    COFFER_TRY(const Shown shown, open_review(session, review));
    human += (human.empty() ? "" : "\n") + render_shown(shown);
    documents.push(shown_json(shown));
    session.remember("run", review.text_or("run", ""));
  }
  session.print(Json::object({{"items", documents}}), [&] { return human; });
  return kExitDone;
}

Result<int> show_review(Session& session, const std::string& text) {
  COFFER_TRY(const Json::Array reviews, reviews_of(session, split_run_output(text)));
  return show(session, reviews);
}

Result<int> show_next(Session& session) {
  COFFER_TRY(const Json::Array reviews, reviews_of(session, {}));
  if (reviews.empty()) {
    session.print(Json::object({{"items", Json::array()}}),
                  [] { return std::string("nothing waits for your approval\n"); });
    return kExitDone;
  }
  return show(session, {reviews.front()});
}

struct DecideOptions {
  std::string name;
  std::string reason;
};

Result<int> decide(Session& session, const DecideOptions& options, grant::ApprovalVerdict verdict) {
  const RunOutputName name = split_run_output(options.name);
  if (name.output.empty()) return usage_error("which output? RUN/OUTPUT", "coffer review ls");
  COFFER_TRY(const Json::Array reviews, reviews_of(session, name));
  const Json& review = reviews.front();
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const KeyPair* keys, session.keys());
  grant::Approval approval{.run = {},
                           .output = name.output,
                           .commitment = {},
                           .verdict = verdict,
                           .reason = options.reason};
  COFFER_TRY(approval.run, Digest::parse(review.text_or("run_digest", "")));
  COFFER_TRY(approval.commitment, Digest::parse(review.text_or("commitment", "")));
  if (grant::run_id(approval.run) != review.text_or("run", "")) {
    return refused("corrupt", "the server's review is of another run");
  }
  COFFER_TRY(
      const Json answer,
      server->post("/v1/approvals",
                   Json::object({{"envelope", envelope_json(grant::sign(approval, keys->sign))}})));
  session.print(answer, [&] {
    std::string text = review.text_or("run", "") + "/" + name.output + " is " +
                       session.terminal().state(answer.text_or("state", "")) + "\n";
    if (answer.text_or("state", "") == "held") {
      text += std::to_string(number(answer, "approvals_needed")) + " approvals are needed in all\n";
    }
    return text;
  });
  return kExitDone;
}

}  // namespace

void add_review_commands(const Menu& menu) {
  auto* group = add_group(menu.root, "review", "Held outputs: read the evidence, decide");
  on(menu, add(group, "ls", "What waits for you, nearest deadline first", "coffer review ls"),
     [](Session& session) { return list_reviews(session); });
  on(menu, add(group, "next", "Shows the one with the nearest deadline", "coffer review next"),
     [](Session& session) { return show_next(session); });
  auto options = std::make_shared<DecideOptions>();
  auto* command = add(group, "show", "The output, the evidence, how much it could carry",
                      "coffer review show run_abc/weights");
  command->add_option("RUN", options->name, "RUN or RUN/OUTPUT")->required();
  on(menu, command, [options](Session& session) { return show_review(session, options->name); });
  const auto add_decision = [&](const std::string& word, const std::string& help,
                                const std::string& reason, grant::ApprovalVerdict verdict) {
    auto* decision =
        add(group, word, help, "coffer review " + word + " run_abc/weights --reason " + reason);
    decision->add_option("OUTPUT", options->name, "RUN/OUTPUT")->required();
    decision->add_option("--reason", options->reason, "Why, for all to see")
        ->required()
        ->check(CLI::IsMember({"ok", "too_much", "private", "purpose", "unclear", "other"}));
    on(menu, decision,
       [options, verdict](Session& session) { return decide(session, *options, verdict); });
  };
  add_decision("approve", "Lets it go (signed)", "ok", grant::ApprovalVerdict::Approve);
  add_decision("refuse", "Withholds it (signed)", "private", grant::ApprovalVerdict::Refuse);
  add_decision("return", "Withholds it, so that it can be asked for in another form (signed)",
               "too_much", grant::ApprovalVerdict::Return);
}

}  // namespace coffer::cli
