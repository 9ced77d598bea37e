#include "grant/objects.h"

#include <gtest/gtest.h>

#include <functional>

namespace coffer::grant {
namespace {

constexpr std::string_view kVkey =
    "coffer.example/ledger+6feae691+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";

SignPublic key_of(int n) {
  SignPublic key{};
  key.fill(static_cast<std::byte>(n));
  return key;
}
UnixTime at(std::string_view text) { return *parse_time(text); }

UserKey sample_key() {
  UserKey out;
  out.user = "ada";
  out.sign_key = key_of(1);
  out.seal_key = key_of(2);
  out.recovery_keys = {key_of(3), key_of(4)};
  out.recovery_need = 2;
  out.ledger_vkey = kVkey;
  out.issued = at("2026-03-01T09:30:00Z");
  return out;
}

Manifest sample_manifest() {
  Manifest out;
  out.dataset_id = "ds_aaaaaaaaaaaaaaaa";
  out.name = "clinic/tumours";
  out.version = 2;
  out.parent = sha256("before");
  out.content = sha256("content");
  out.chunk_list = sha256("list");
  out.files = 1;
  out.bytes = 120000;
  out.owner_key = key_of(1);
  out.owner_seal_key = key_of(2);
  out.ledger_vkey = kVkey;
  out.issued = at("2026-03-01T09:30:00Z");
  return out;
}

Card sample_card() {
  Card out;
  out.dataset_id = "ds_aaaaaaaaaaaaaaaa";
  out.manifest = sha256("manifest");
  out.data_class = DataClass::Important;
  out.grade = 3;
  out.owner_key = key_of(1);
  out.ledger_vkey = kVkey;
  out.issued = at("2026-03-01T09:30:00Z");
  CardFile file{"tumours.csv", "csv", 569, {}};
  file.columns.push_back(
      {"diagnosis", ColumnKind::Sensitive, ColumnType::Text, {"B", "M"}, "", "", false});
  file.columns.push_back(
      {"radius", ColumnKind::Numeric, ColumnType::Decimal, {}, "6.981", "28.11", true});
  file.columns.push_back(
      {"seen", ColumnKind::Date, ColumnType::Date, {}, "2020-01-01", "2024-12-31", false});
  out.files.push_back(std::move(file));
  return out;
}

Grant sample_grant() {
  Grant out;
  out.ledger_vkey = kVkey;
  out.dataset_id = "ds_aaaaaaaaaaaaaaaa";
  out.owner_key = key_of(1);
  out.grantee_keys = {key_of(2)};
  out.approver_keys = {key_of(3), key_of(4)};
  out.approvals_needed = 2;
  out.purpose = "survival";
  out.lanes = {program::Lane::Bounded};
  out.output_kinds = {program::Kind::Metrics};
  PermittedProgram program{sha256("p"), sha256("e"), {}};
  program.parameters["folds"] = {Json{5}, Json{10}};
  program.parameters["rate"] = {Json{"0.1"}};
  out.programs = {std::move(program)};
  out.budgets = {64000, 0, 6, 20, 3600000};
  out.auto_bits = 256;
  out.auto_total = 5120;
  out.not_before = at("2026-03-01T00:00:00Z");
  out.until = at("2027-02-01T00:00:00Z");
  out.issued = at("2026-03-01T09:30:00Z");
  return out;
}

Run sample_run() {
  Run out;
  out.program = sha256("p");
  out.environment = sha256("e");
  out.inputs = {{"tumours", sha256("m")}};
  out.parameters["folds"] = Json{5};
  out.resources.time_s = 600;
  program::Metrics metrics;
  program::Number number;
  number.max = program::Decimal::from_integer(1);
  number.digits = 3;
  metrics.fields.push_back({"accuracy", number});
  out.outputs = {{"metrics", program::Lane::Bounded, metrics}};
  out.grants = {sha256("g")};
  return out;
}

template <class T>
void expect_round_trip(const T& object) {
  const auto payload = payload_of(object);
  const auto read = parse<T>(payload);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(payload_of(*read), payload);
}

TEST(Objects, AreReadAsTheyWereWritten) {
  expect_round_trip(sample_key());
  expect_round_trip(Removal{"ada", key_of(1), std::string(kVkey), at("2026-03-01T09:30:00Z")});
  expect_round_trip(sample_manifest());
  expect_round_trip(sample_card());
  expect_round_trip(Limit{"ds_aaaaaaaaaaaaaaaa", 1000000, 1000, false, 1, key_of(1),
                          std::string(kVkey), at("2026-03-01T09:30:00Z")});
  expect_round_trip(sample_grant());
  expect_round_trip(Revocation{sha256("g"), "study ended", at("2026-06-01T00:00:00Z")});
  expect_round_trip(sample_run());
  expect_round_trip(
      Approval{sha256("r"), "weights", sha256("c"), ApprovalVerdict::Return, "unclear"});
}

// Changes one member and says why the object was refused ("" when it was not).
template <class T>
std::string refusal(const T& object, const std::function<void(Json&)>& change) {
  Json json = to_json(object);
  change(json);
  const auto read = parse<T>(json.canonical());
  return read ? std::string() : read.error().message;
}
template <class T>
std::string with(const T& object, std::string_view field, Json value) {
  return refusal(object, [&](Json& json) { json.set(field, std::move(value)); });
}
bool names(const std::string& message, std::string_view field) {
  return message.find("'" + std::string(field) + "'") != std::string::npos;
}

TEST(Objects, EveryFieldIsNeededAndNoOtherIsTaken) {
  const auto check = [](const auto& object) {
    using T = std::decay_t<decltype(object)>;
    EXPECT_EQ(refusal(object, [](Json&) {}), "");
    EXPECT_TRUE(names(with(object, "zz", Json{1}), "zz"));
    const Json whole = to_json(object);
    for (const auto& field : *whole.as_object()) {
      const std::string& name = field.first;
      const auto message = refusal(object, [&](Json& json) {
        auto& members = *json.as_object();
        std::erase_if(members, [&name](const auto& member) { return member.first == name; });
      });
      EXPECT_TRUE(names(message, name)) << kind_name(T::kKind) << ": " << message;
    }
  };
  check(sample_key());
  check(Removal{"ada", key_of(1), std::string(kVkey), at("2026-03-01T09:30:00Z")});
  check(sample_manifest());
  check(sample_card());
  check(Limit{"ds_aaaaaaaaaaaaaaaa", 1, 0, false, 1, key_of(1), std::string(kVkey), {}});
  check(sample_grant());
  check(Revocation{sha256("g"), "study ended", {}});
  check(sample_run());
  check(Approval{sha256("r"), "weights", sha256("c"), ApprovalVerdict::Approve, "ok"});
}

TEST(Objects, KeyNeedsAFormForEachField) {
  const auto key = sample_key();
  EXPECT_TRUE(names(with(key, "user", "Ada"), "user"));
  EXPECT_TRUE(names(with(key, "sign_key", "short"), "sign_key"));
  EXPECT_TRUE(names(with(key, "recovery_need", 3), "recovery_need"));
  EXPECT_EQ(with(key, "recovery_need", 1), "");
  EXPECT_TRUE(names(with(key, "recovery_need", 0), "recovery_need"));
  EXPECT_TRUE(names(with(key, "sequence", 0), "sequence"));
  EXPECT_TRUE(names(with(key, "sequence", 2), "previous"));
  EXPECT_TRUE(names(with(key, "previous", sha256("x").text()), "previous"));
  EXPECT_TRUE(names(with(key, "issued", "2026-03-01T09:30:00+00:00"), "issued"));
  EXPECT_TRUE(names(with(key, "ledger_vkey", "no key"), "ledger_vkey"));
}

TEST(Objects, GrantRefusesATermThatIsNotUnderstoodAndNamesIt) {
  const auto grant = sample_grant();
  const auto lane = with(grant, "lanes", Json::array({"bounded", "telepathy"}));
  EXPECT_TRUE(names(lane, "lanes") && lane.find("telepathy") != std::string::npos) << lane;
  EXPECT_EQ(with(grant, "lanes", Json::array({"statistics", "proved", "bounded"})), "");
  EXPECT_TRUE(names(with(grant, "output_kinds", Json::array({"video"})), "output_kinds"));
  EXPECT_TRUE(names(with(grant, "programs", "some"), "programs"));
  EXPECT_EQ(with(grant, "programs", "any"), "");
  EXPECT_TRUE(names(with(grant, "manifest", "latest"), "manifest"));
  EXPECT_EQ(with(grant, "manifest", "*"), "");
  EXPECT_TRUE(names(refusal(grant,
                            [](Json& json) {
                              Json budgets = json["budgets"];
                              json.set("budgets", budgets.set("copies", 1));
                            }),
                    "copies"));
  EXPECT_NE(refusal(grant,
                    [](Json& json) {
                      Json programs = json["programs"];
                      (*programs.as_array())[0].set("parameters", Json::object({{"folds", 5}}));
                      json.set("programs", programs);
                    }),
            "");
}

TEST(Objects, GrantChecksPeopleAndTimes) {
  auto grant = sample_grant();
  EXPECT_TRUE(names(with(grant, "grantee_keys", Json::array()), "grantee_keys"));
  EXPECT_TRUE(names(with(grant, "approvals_needed", 3), "approvals_needed"));
  EXPECT_TRUE(names(with(grant, "approvals_needed", 0), "approvals_needed"));
  EXPECT_TRUE(names(with(grant, "until", "2026-03-01T00:00:00Z"), "until"));
  EXPECT_EQ(with(grant, "until", "2026-03-01T00:00:01Z"), "");
  grant.approver_keys = {key_of(2)};
  grant.approvals_needed = 1;
  EXPECT_TRUE(names(with(grant, "purpose", "x"), "approver_keys"));  // grantee and approver
  grant.approver_keys = {key_of(3), key_of(3)};
  EXPECT_TRUE(names(with(grant, "purpose", "x"), "approver_keys"));  // twice
  grant.approver_keys.clear();
  grant.approvals_needed = 0;
  EXPECT_EQ(with(grant, "purpose", "x"), "");
}

TEST(Objects, NumbersAreIntegersThatEveryReaderKeeps) {
  const auto grant = sample_grant();
  EXPECT_EQ(with(grant, "auto_bits", kIntegerMax), "");
  EXPECT_NE(with(grant, "auto_bits", kIntegerMax + 1), "");
  EXPECT_NE(with(grant, "auto_bits", Json::Number{"1.5"}), "");
  EXPECT_NE(with(grant, "auto_bits", Json::Number{"1e3"}), "");
  EXPECT_NE(with(grant, "auto_bits", -1), "");
}

TEST(Objects, CardChecksColumns) {
  const auto card = sample_card();
  const auto column = [&](std::string_view field, Json value) {
    return refusal(card, [&](Json& json) {
      Json files = json["files"];
      Json columns = (*files.as_array())[0]["columns"];
      (*columns.as_array())[1].set(field, std::move(value));
      (*files.as_array())[0].set("columns", columns);
      json.set("files", files);
    });
  };
  EXPECT_EQ(column("min", "7"), "");
  EXPECT_TRUE(names(column("min", "7.0"), "min"));
  EXPECT_TRUE(names(column("min", "28.2"), "min"));  // above max
  EXPECT_TRUE(names(column("min", ""), "min"));
  EXPECT_TRUE(names(column("min", "2020-01-01"), "min"));
  EXPECT_TRUE(names(column("kind", "secret"), "kind"));
  EXPECT_TRUE(names(column("type", "float"), "type"));
  EXPECT_TRUE(names(column("values", Json::array({"a"})), "values"));
  EXPECT_TRUE(names(with(card, "class", "public"), "class"));
  EXPECT_TRUE(names(with(card, "grade", 5), "grade"));
  EXPECT_EQ(with(card, "grade", 4), "");
}

TEST(Objects, RunChecksItsParts) {
  const auto run = sample_run();
  EXPECT_TRUE(names(with(run, "retry", 2), "retry"));
  EXPECT_TRUE(names(with(run, "parameters", Json::object({{"folds", Json{}}})), "parameters"));
  EXPECT_TRUE(names(with(run, "parameters", Json::object({{"f", Json::array()}})), "parameters"));
  EXPECT_EQ(with(run, "parameters", Json::object({{"rate", "0.1"}, {"on", true}})), "");
  EXPECT_TRUE(
      names(with(run, "grants", Json::array({sha256("g").text(), sha256("g").text()})), "grants"));
  EXPECT_NE(with(run, "outputs", Json::array({Json{"metrics"}})), "");
  EXPECT_NE(refusal(run,
                    [](Json& json) {
                      Json inputs = json["inputs"];
                      inputs.push((*inputs.as_array())[0]);
                      json.set("inputs", inputs);
                    }),
            "");
}

TEST(Objects, DatasetIdsAndDatesHaveTheirForm) {
  EXPECT_TRUE(is_dataset_id(make_dataset_id()));
  EXPECT_FALSE(is_dataset_id("ds_aaaaaaaaaaaaaaa1"));
  EXPECT_FALSE(is_dataset_id("ds_aaaaaaaaaaaaaaa"));
  EXPECT_TRUE(is_date_text("2026-02-28"));
  EXPECT_FALSE(is_date_text("2026-02-30"));
  EXPECT_FALSE(is_date_text("2026-2-3"));
}

TEST(Objects, AnEnvelopeOfAnotherKindDoesNotOpen) {
  const auto key = SignKey::generate();
  const auto envelope = sign(sample_grant(), key);
  EXPECT_TRUE(open<Grant>(envelope));
  EXPECT_FALSE(open<Limit>(envelope));
}

TEST(Objects, IdsArePrefixAndSixteenCharacters) {
  const auto digest = digest_of(sample_grant());
  EXPECT_EQ(grant_id(digest).size(), 22U);
  EXPECT_TRUE(run_id(digest).starts_with("run_"));
  EXPECT_EQ(keeper_fingerprint(kVkey, key_of(1)).size(), 16U);
  EXPECT_NE(keeper_fingerprint(kVkey, key_of(1)), keeper_fingerprint(kVkey, key_of(2)));
}

}  // namespace
}  // namespace coffer::grant
