// Every vector of tests/golden/protocol.json that this part answers for.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "program/charge.h"
#include "program/manifest.h"
#include "program/tree.h"

namespace coffer::program {
namespace {

const Json& golden() {
  static const Json kJson = [] {
    std::ifstream in(COFFER_GOLDEN_DIR "/protocol.json", std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    auto parsed = Json::parse(text.str());
    if (!parsed) std::abort();
    return *std::move(parsed);
  }();
  return kJson;
}

const Json::Array& cases(const Json& list) {
  EXPECT_TRUE(list.is_array());
  static const Json::Array kNone;
  return list.as_array() != nullptr ? *list.as_array() : kNone;
}

std::string title(const Json& sample) {
  return sample.text_or("id", "?") + ": " + sample.text_or("title", "?");
}

// Proposed answers are adopted.
const Json& expectation(const Json& sample) {
  return sample.has("expect") ? sample["expect"] : sample["expect_as_proposed"];
}

std::uint64_t number(const Json& json) {
  EXPECT_TRUE(json.as_uint().has_value()) << json.canonical();
  return json.as_uint().value_or(~0ULL);
}

TEST(Golden, EachDeclarationIsAcceptedOrRefusedAndMeasured) {
  std::size_t checked = 0;
  for (const auto& sample : cases(golden()["judged"])) {
    SCOPED_TRACE(title(sample));
    const Json& expect = expectation(sample);
    const auto manifest =
        parse_manifest("[program]\nname = \"t\"\nentry = [\"x\"]\nenvironment = \"py\"\n" +
                       sample.text_or("declaration_toml", ""));
    ASSERT_EQ(manifest.has_value(), expect.text_or("declaration", "") == "ok")
        << (manifest ? "accepted" : manifest.error().message);
    ++checked;
    if (!manifest) continue;
    ASSERT_EQ(manifest->outputs.size(), 1U);
    EXPECT_EQ(object_bits_max(manifest->outputs[0]), number(expect["max_object_bits"]));
    const auto back = parse_declaration(declaration_json(manifest->outputs));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, manifest->outputs);
    // Judged and charged lengths, where they are told, fit the declaration.
    if (!expect.has("object_bits")) continue;
    const Resources resources;
    const auto settled = settle(resources, manifest->outputs,
                                {.slot_s = 1,
                                 .ending = Ending::Judged,
                                 .outputs = {{Verdict::Released, number(expect["object_bits"])}}});
    ASSERT_TRUE(settled) << settled.error().message;
    EXPECT_EQ(settled->charged.bits - header_bits(slots_of(resources)),
              number(expect["charge_if_released"]));
  }
  EXPECT_EQ(checked, 147U);
}

TEST(Golden, SlotsAndHeaderBits) {
  const auto& samples = cases(golden()["run"]["headers"]);
  EXPECT_EQ(samples.size(), 8U);
  for (const auto& sample : samples) {
    SCOPED_TRACE("header " + sample.text_or("time", "?"));
    const Slots slots = make_slots(number(sample["seconds"]), 6);
    std::vector<std::uint64_t> wanted;
    for (const auto& slot : cases(sample["slots_s"])) wanted.push_back(number(slot));
    wanted.push_back(number(sample["seconds"]) + 6);
    EXPECT_EQ(slots.instants_s, wanted);
    EXPECT_EQ(slots.instants_s.size(), number(sample["count"]));
    EXPECT_EQ(header_bits(slots), number(sample["header_bits"]));
  }
}

TEST(Golden, EndingsAreSeenAtSlots) {
  const auto& samples = cases(golden()["run"]["endings"]);
  EXPECT_EQ(samples.size(), 23U);
  std::size_t open = 0;
  for (const auto& sample : samples) {
    SCOPED_TRACE("ending " + sample.canonical());
    const auto time = parse_duration(sample.text_or("time", ""));
    const auto ending = ending_of(sample.text_or("ending", ""));
    const auto started = parse_time(sample.text_or("started", ""));
    ASSERT_TRUE(time && ending && started);
    const auto time_s = static_cast<std::uint64_t>(time->count());
    const Slots slots = make_slots(time_s, number(sample["judging_allowance_s"]));
    const Seen seen = seen_at(slots, *ending, number(sample["over_after_ms"]));
    if (!sample.has("expect")) {  // Q-slot-edge: judged exactly at a slot is seen at that slot
      EXPECT_EQ(seen, (Seen{.slot_s = 2, .ending = Ending::Judged}));
      ++open;
      continue;
    }
    const Json& expect = sample["expect"];
    EXPECT_EQ(seen.slot_s, number(expect["slot_s"]));
    EXPECT_EQ(text_of_ending(seen.ending), expect.text_or("ending_shown", ""));
    EXPECT_EQ(render_time(ended_at(*started, seen.slot_s)), expect.text_or("ended", ""));
    EXPECT_EQ(cpu_ms(static_cast<std::uint32_t>(number(sample["cpus"])), seen.slot_s, time_s),
              number(expect["cpu_ms"]));
  }
  EXPECT_EQ(open, 1U);
}

TEST(Golden, QuotesOfWholeManifests) {
  const auto& samples = cases(golden()["quotes"]);
  EXPECT_EQ(samples.size(), 10U);
  for (const auto& sample : samples) {
    SCOPED_TRACE(title(sample));
    const Json& expect = expectation(sample);
    const auto manifest = parse_manifest(sample.text_or("coffer_toml", ""));
    if (expect.text_or("declaration", "ok") == "bad") {
      EXPECT_FALSE(manifest);
      continue;
    }
    ASSERT_TRUE(manifest) << manifest.error().message;
    const Json quote = quote_json(quote_of(manifest->resources, manifest->outputs));
    for (const auto& [key, wanted] : *expect.as_object()) {
      EXPECT_EQ(quote[key].canonical(), wanted.canonical()) << key;
    }
  }
}

const Json& decisions_of(const Json& expect) {
  static const Json kNone;
  if (expect.has("decisions")) return expect["decisions"];
  for (const auto& reading : cases(expect["decisions_open"])) {
    for (const auto& under : cases(reading["under"])) {
      if (under.text_or("verdicts counted", "") == "all" &&
          under.text_or("total counts", "") == "every run") {
        return reading["decisions"];
      }
    }
  }
  ADD_FAILURE() << "no reading that was adopted";
  return kNone;
}

std::string_view decision_of(Verdict verdict) {
  if (verdict == Verdict::Released) return "released";
  if (verdict == Verdict::Held) return "held";
  return verdict == Verdict::HeldWithheld ? "withheld" : "refused";
}

std::vector<JudgedOutput> judged_of(const Json& run) {
  std::vector<JudgedOutput> judged;
  for (const auto& output : cases(run["outputs"])) {
    judged.push_back({.refusal = refusal_of(output.text_or("refusal", "")),
                      .object_bits = number(output["bits"])});
  }
  return judged;
}

TEST(Golden, AutomaticReleaseOverOneOrMoreRuns) {
  const auto& samples = cases(golden()["automatic"]);
  EXPECT_EQ(samples.size(), 19U);
  for (const auto& sample : samples) {
    SCOPED_TRACE(title(sample));
    AutomaticLimits limits{.auto_bits = number(sample["auto_bits"]),
                           .auto_total = sample["auto_total"].as_uint(),
                           .runs = number(sample["runs_budget"]),
                           .approvals_needed = number(sample["approvals_needed"]),
                           .spent_before = number(sample["auto_spent_before"])};
    EXPECT_EQ(auto_total_of(limits), number(sample["expect"]["auto_total"]));
    Json::Array decided;
    for (const auto& run : cases(sample["runs"])) {
      const auto time = parse_duration(run.text_or("time", ""));
      ASSERT_TRUE(time);
      const unsigned header = header_bits(make_slots(static_cast<std::uint64_t>(time->count()), 6));
      Json verdicts = Json::array();
      if (run.has("report_bits")) {
        limits.spent_before += automatic_spend_unjudged(header, Ending::Exit);
      } else {
        const Automatic automatic = decide({&limits, 1}, header, judged_of(run));
        for (const auto verdict : automatic.verdicts) verdicts.push(decision_of(verdict));
        limits.spent_before += automatic.spent;
      }
      decided.push_back(std::move(verdicts));
    }
    EXPECT_EQ(Json{decided}.canonical(), decisions_of(sample["expect"]).canonical());
  }
}

class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "coffer-XXXXXX").native();
    path_ = ::mkdtemp(pattern.data());
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void make(const std::filesystem::path& root, const Json& file) {
  const auto name = parse_base64(file.text_or("path_base64", ""));
  const auto content = parse_base64(file.text_or("content_base64", ""));
  ASSERT_TRUE(name && content);
  const auto path = root / std::string(text_of(*name));
  std::filesystem::create_directories(path.parent_path());
  const auto mode = static_cast<mode_t>(std::stoul(file.text_or("mode", "0644"), nullptr, 8));
  const std::string type = file.text_or("type", "");
  if (type == "symlink") {
    std::filesystem::create_symlink(std::string(text_of(*content)), path);
  } else if (type == "fifo") {
    ASSERT_EQ(::mkfifo(path.c_str(), mode), 0);
  } else {
    std::ofstream(path, std::ios::binary) << text_of(*content);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
}

Result<Tree> tree_of(const Json& files) {
  const Directory directory;
  for (const auto& file : cases(files)) make(directory.path(), file);
  return read_tree(directory.path());
}

TEST(Golden, DigestsOfProgramTrees) {
  const auto& samples = cases(golden()["programs"]);
  EXPECT_EQ(samples.size(), 10U);
  for (const auto& sample : samples) {
    SCOPED_TRACE(title(sample));
    const auto tree = tree_of(sample["files"]);
    if (sample["expect"].has("refused")) {
      ASSERT_FALSE(tree);
      EXPECT_NE(tree.error().message.find(sample["expect"].text_or("refused", "?")),
                std::string::npos)
          << tree.error().message;
      continue;
    }
    ASSERT_TRUE(tree) << tree.error().message;
    if (sample.has("expect")) {
      EXPECT_EQ(tree->digest.text(), sample["expect"].text_or("digest", ""));
      continue;
    }
    // Q-xbit and Q-skip: executable for others only is not executable; a file `.git` is skipped.
    Json files = Json::array();
    for (auto file : cases(sample["files"])) {
      if (file.text_or("path", "") == "sub/.git") continue;
      files.push(file.set("mode", "0644"));
    }
    const auto plain = tree_of(files);
    ASSERT_TRUE(plain) << plain.error().message;
    EXPECT_EQ(tree->digest, plain->digest);
  }
}

TEST(Golden, TheSignedRunRequestIsReadAndWrittenBack) {
  for (const auto& sample : cases(golden()["signed"]["objects"])) {
    if (sample.text_or("title", "") != "run request") continue;
    SCOPED_TRACE(title(sample));
    const auto outputs = parse_declaration(sample["object"]["outputs"]);
    ASSERT_TRUE(outputs) << outputs.error().message;
    EXPECT_EQ(declaration_json(*outputs).canonical(), sample["object"]["outputs"].canonical());
    const auto resources = parse_resources(sample["object"]["resources"]);
    ASSERT_TRUE(resources) << resources.error().message;
    EXPECT_EQ(resources_json(*resources).canonical(), sample["object"]["resources"].canonical());
    return;
  }
  FAIL() << "the sample is gone";
}

}  // namespace
}  // namespace coffer::program
