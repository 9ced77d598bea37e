#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "grant/objects.h"
#include "program/names.h"

namespace coffer::grant {
namespace {

constexpr std::size_t kKeysMax = 64;
constexpr std::size_t kRecoveryKeysMax = 16;
constexpr std::size_t kPurposeBytesMax = 4096;
constexpr std::size_t kReasonBytesMax = 256;
constexpr std::size_t kNameBytesMax = 256;
constexpr std::size_t kPathBytesMax = 4096;
constexpr std::size_t kListMax = 65'536;  // files, columns, values: far above any real card
constexpr std::size_t kGrantsMax = 32;
constexpr std::uint64_t kDeltaExpMax = 30;

// Every number in a signed object is an integer that each JSON reader keeps exactly.
bool integers_only(const Json& value) {
  if (value.is_number()) {
    const auto number = value.as_int();
    return number && *number <= static_cast<std::int64_t>(kIntegerMax) &&
           *number >= -static_cast<std::int64_t>(kIntegerMax);
  }
  if (const auto* items = value.as_array()) {
    return std::all_of(items->begin(), items->end(), integers_only);
  }
  if (const auto* members = value.as_object()) {
    return std::all_of(members->begin(), members->end(),
                       [](const auto& member) { return integers_only(member.second); });
  }
  return true;
}

Result<Json> parse_canonical(Kind kind, std::string_view payload) {
  const std::string name{kind_name(kind)};
  auto json = Json::parse(payload);
  if (!json) return std::move(json).error().in(name);
  if (json->canonical() != payload) {
    return Error{Code::InvalidArgument, name + ": not in canonical form (RFC 8785)"};
  }
  if (!integers_only(*json)) {
    return Error{Code::InvalidArgument, name + ": numbers must be integers within +-(2^53-1)"};
  }
  return json;
}

bool is_vkey(std::string_view text) {
  return text.size() <= 512 && std::count(text.begin(), text.end(), '+') >= 2 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_plain_text(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_relative_path(std::string_view text) {
  if (!is_plain_text(text, kPathBytesMax)) return false;
  const auto parts = split(text, '/');
  return std::none_of(parts.begin(), parts.end(), [](const std::string& part) {
    return part.empty() || part == "." || part == "..";
  });
}

bool is_dataset_name(std::string_view text) {
  const auto name = program::DatasetName::parse(text);
  return name && !name->version;
}

// A parameter's value: decimals are strings of canonical text, so no other number occurs.
bool is_parameter_value(const Json& value) {
  return value.is_integer() || value.is_string() || value.is_bool();
}

// StrictReader, and the forms of fields that signed objects share.
class Fields : public StrictReader {
 public:
  using StrictReader::StrictReader;

  void require(bool holds, std::string_view key, std::string_view why) {
    if (!holds) refuse(key, why);
  }
  std::uint64_t number(std::string_view key, std::uint64_t from, std::uint64_t to) {
    const auto value = uint(key);
    require(value >= from && value <= to, key, fmt::format("must be {} to {}", from, to));
    return value;
  }
  Digest digest(std::string_view key) { return digest_in(key, text(key)); }
  std::optional<Digest> digest_or(std::string_view key, std::string_view none) {
    const auto value = text(key);
    if (value == none) return {};
    return digest_in(key, value);
  }
  std::vector<Digest> digests(std::string_view key, std::size_t count_max) {
    std::vector<Digest> out;
    for (const auto& item : texts(key)) out.push_back(digest_in(key, item));
    distinct(key, out, count_max);
    return out;
  }
  std::array<std::byte, 32> key32(std::string_view key) { return key_in(key, text(key)); }
  std::vector<SignPublic> keys(std::string_view key, std::size_t count_max) {
    std::vector<SignPublic> out;
    for (const auto& item : texts(key)) out.push_back(key_in(key, item));
    distinct(key, out, count_max);
    return out;
  }
  UnixTime time(std::string_view key) {
    const auto value = text(key);
    const auto parsed = parse_time(value);
    require(parsed && render_time(*parsed) == value, key, "must be RFC 3339 in UTC, with Z");
    return parsed ? *parsed : UnixTime{};
  }
  std::string form(std::string_view key, bool (*fits)(std::string_view), std::string_view wanted) {
    auto value = text(key);
    require(fits(value), key, wanted);
    return value;
  }
  std::string vkey() { return form("ledger_vkey", is_vkey, "must be a ledger's verifier key"); }
  std::string dataset_id() {
    return form("dataset_id", is_dataset_id, "must be ds_ and 16 characters of base32");
  }
  template <class E>
  E name(std::string_view key, std::optional<E> (*find)(std::string_view)) {
    return name_in<E>(key, text(key), find);
  }
  template <class E>
  std::vector<E> names(std::string_view key, std::optional<E> (*find)(std::string_view)) {
    std::vector<E> out;
    for (const auto& item : texts(key)) out.push_back(name_in<E>(key, item, find));
    distinct(key, out, kKeysMax);
    return out;
  }
  const Json::Array& list(std::string_view key, std::size_t count_max) {
    static const Json::Array kEmpty;
    const auto* items = any(key).as_array();
    require(items != nullptr && items->size() <= count_max, key,
            fmt::format("must be a list of at most {}", count_max));
    return items != nullptr ? *items : kEmpty;
  }
  const Json::Object& members(std::string_view key) {
    static const Json::Object kEmpty;
    const auto* found = any(key).as_object();
    require(found != nullptr, key, "must be an object");
    return found != nullptr ? *found : kEmpty;
  }

 private:
  Digest digest_in(std::string_view key, std::string_view value) {
    const auto parsed = Digest::parse(value);
    require(parsed && parsed->text() == value, key, "must be sha256: and 64 lower-case hex digits");
    return parsed ? *parsed : Digest{};
  }
  std::array<std::byte, 32> key_in(std::string_view key, std::string_view value) {
    const auto parsed = parse_key32(value);
    require(parsed.has_value(), key, "must be base64 of 32 bytes");
    return parsed ? *parsed : std::array<std::byte, 32>{};
  }
  template <class E>
  E name_in(std::string_view key, std::string_view value,
            std::optional<E> (*find)(std::string_view)) {
    const auto found = find(value);
    require(found.has_value(), key,
            fmt::format("says '{}', which is not known", printable(value, 40)));
    return found.value_or(E{});
  }
  template <class T>
  void distinct(std::string_view key, const std::vector<T>& items, std::size_t count_max) {
    require(items.size() <= count_max, key, fmt::format("must have at most {}", count_max));
    require(std::set<T>(items.begin(), items.end()).size() == items.size(), key,
            "names something twice");
  }
};

Result<std::map<std::string, std::vector<Json>>> read_permitted(const Json::Object& members) {
  std::map<std::string, std::vector<Json>> out;
  for (const auto& [name, values] : members) {
    const auto* list = values.as_array();
    if (!program::is_alias(name) || list == nullptr || list->empty() || list->size() > kListMax ||
        !std::all_of(list->begin(), list->end(), is_parameter_value)) {
      return Error{Code::InvalidArgument,
                   fmt::format("grant: field 'parameters' must list permitted values for '{}'",
                               printable(name, 40))};
    }
    out.emplace(name, *list);
  }
  return out;
}

Result<std::optional<std::vector<PermittedProgram>>> read_programs(const Json& value) {
  std::optional<std::vector<PermittedProgram>> out;
  if (const auto* word = value.as_string(); word != nullptr && *word == "any") return out;
  const auto* list = value.as_array();
  if (list == nullptr || list->empty() || list->size() > kListMax) {
    return Error{Code::InvalidArgument, "grant: field 'programs' must be \"any\" or a list"};
  }
  out.emplace();
  for (const Json& item : *list) {
    Fields in{item, "grant: programs"};
    PermittedProgram one{in.digest("program"), in.digest("environment"), {}};
    const auto& parameters = in.members("parameters");
    COFFER_CHECK(in.finish());
    COFFER_TRY(one.parameters, read_permitted(parameters));
    out->push_back(std::move(one));
  }
  return out;
}

Result<Budgets> read_budgets(const Json& value) {
  Fields in{value, "grant: budgets"};
  Budgets out;
  out.bits = in.uint("bits");
  out.epsilon_milli = in.uint("epsilon_milli");
  out.delta_exp = in.number("delta_exp", 0, kDeltaExpMax);
  out.runs = in.uint("runs");
  out.cpu_ms = in.uint("cpu_ms");
  COFFER_CHECK(in.finish());
  return out;
}

Result<CardColumn> read_column(const Json& value) {
  Fields in{value, "card: columns"};
  CardColumn out;
  out.name = in.text("name");
  in.require(is_plain_text(out.name, kNameBytesMax), "name", "must be 1 to 256 bytes of text");
  out.kind = in.name("kind", column_kind_of);
  out.type = in.name("type", column_type_of);
  out.values = in.texts("values");
  in.require(
      std::set<std::string>(out.values.begin(), out.values.end()).size() == out.values.size() &&
          out.values.size() <= kListMax,
      "values", "names something twice, or too much");
  out.min = in.text("min");
  out.max = in.text("max");
  const bool dates = out.type == ColumnType::Date;
  const auto is_bound = [dates](const std::string& text) {
    if (dates) return is_date_text(text);
    const auto decimal = program::Decimal::parse(text);
    return decimal && decimal->text() == text;
  };
  const bool has_range = !out.min.empty() || !out.max.empty();
  in.require(!has_range || is_bound(out.min), "min", "must be canonical decimal text, or a date");
  in.require(!has_range || is_bound(out.max), "max", "must be canonical decimal text, or a date");
  in.require(!has_range || out.values.empty(), "values", "stands beside a range");
  out.blanks = in.boolean("blanks");
  COFFER_CHECK(in.finish());
  if (has_range && !dates &&
      *program::Decimal::parse(out.min) > *program::Decimal::parse(out.max)) {
    return Error{Code::InvalidArgument, "card: columns: field 'min' is above 'max'"};
  }
  if (has_range && dates && out.min > out.max) {
    return Error{Code::InvalidArgument, "card: columns: field 'min' is above 'max'"};
  }
  return out;
}

Result<CardFile> read_file(const Json& value) {
  Fields in{value, "card: files"};
  CardFile out;
  out.path = in.form("path", is_relative_path, "must be a relative path");
  out.format = in.text("format");
  in.require(
      !out.format.empty() && out.format.size() <= 16 &&
          std::all_of(out.format.begin(), out.format.end(),
                      [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }),
      "format", "must be 1 to 16 of a-z and 0-9");
  out.rows = in.uint("rows");
  const auto& columns = in.list("columns", kListMax);
  COFFER_CHECK(in.finish());
  for (const Json& item : columns) {
    COFFER_TRY(auto column, read_column(item));
    out.columns.push_back(std::move(column));
  }
  return out;
}

std::string_view reason_problem(std::string_view reason) {
  constexpr std::array<std::string_view, 6> kReasons = {"ok",      "too_much", "private",
                                                        "purpose", "unclear",  "other"};
  const bool known = std::find(kReasons.begin(), kReasons.end(), reason) != kReasons.end();
  return known ? "" : "must be ok, too_much, private, purpose, unclear or other";
}

}  // namespace

template <>
Result<UserKey> parse<UserKey>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Key, payload));
  Fields in{json, "key"};
  UserKey out;
  out.user = in.form("user", program::is_name, "must be a user's name");
  out.sign_key = in.key32("sign_key");
  out.seal_key = in.key32("seal_key");
  out.recovery_keys = in.keys("recovery_keys", kRecoveryKeysMax);
  out.recovery_need =
      in.number("recovery_need", out.recovery_keys.empty() ? 0 : 1, out.recovery_keys.size());
  out.previous = in.digest_or("previous", "");
  out.sequence = in.number("sequence", 1, kIntegerMax);
  in.require(out.previous.has_value() == (out.sequence > 1), "previous",
             "must be empty exactly for sequence 1");
  out.ledger_vkey = in.vkey();
  out.issued = in.time("issued");
  COFFER_CHECK(in.finish());
  return out;
}

template <>
Result<Removal> parse<Removal>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Removal, payload));
  Fields in{json, "removal"};
  Removal out;
  out.user = in.form("user", program::is_name, "must be a user's name");
  out.sign_key = in.key32("sign_key");
  out.ledger_vkey = in.vkey();
  out.issued = in.time("issued");
  COFFER_CHECK(in.finish());
  return out;
}

template <>
Result<Manifest> parse<Manifest>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Manifest, payload));
  Fields in{json, "manifest"};
  Manifest out;
  out.dataset_id = in.dataset_id();
  out.name = in.form("name", is_dataset_name, "must be org/name");
  out.version = in.number("version", 1, kIntegerMax);
  out.parent = in.digest_or("parent", "");
  in.require(out.parent.has_value() == (out.version > 1), "parent",
             "must be empty exactly for version 1");
  out.is_public = in.boolean("public");
  out.content = in.digest("content");
  out.chunk_list = in.digest("chunk_list");
  out.files = in.uint("files");
  out.bytes = in.uint("bytes");
  out.owner_key = in.key32("owner_key");
  out.owner_seal_key = in.key32("owner_seal_key");
  out.ledger_vkey = in.vkey();
  out.issued = in.time("issued");
  COFFER_CHECK(in.finish());
  return out;
}

template <>
Result<Card> parse<Card>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Card, payload));
  Fields in{json, "card"};
  Card out;
  out.dataset_id = in.dataset_id();
  out.manifest = in.digest("manifest");
  out.data_class = in.name("class", class_of);
  out.grade = in.number("grade", 1, 4);
  out.sequence = in.number("sequence", 1, kIntegerMax);
  out.owner_key = in.key32("owner_key");
  out.ledger_vkey = in.vkey();
  out.issued = in.time("issued");
  const auto& files = in.list("files", kListMax);
  COFFER_CHECK(in.finish());
  for (const Json& item : files) {
    COFFER_TRY(auto file, read_file(item));
    out.files.push_back(std::move(file));
  }
  return out;
}

template <>
Result<Limit> parse<Limit>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Limit, payload));
  Fields in{json, "limit"};
  Limit out;
  out.dataset_id = in.dataset_id();
  out.bits = in.uint("bits");
  out.epsilon_milli = in.uint("epsilon_milli");
  out.overcommit = in.boolean("overcommit");
  out.sequence = in.number("sequence", 1, kIntegerMax);
  out.owner_key = in.key32("owner_key");
  out.ledger_vkey = in.vkey();
  out.issued = in.time("issued");
  COFFER_CHECK(in.finish());
  return out;
}

template <>
Result<Grant> parse<Grant>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Grant, payload));
  Fields in{json, "grant"};
  Grant out;
  out.ledger_vkey = in.vkey();
  out.dataset_id = in.dataset_id();
  out.manifest = in.digest_or("manifest", "*");
  out.owner_key = in.key32("owner_key");
  out.grantee_keys = in.keys("grantee_keys", kKeysMax);
  in.require(!out.grantee_keys.empty(), "grantee_keys", "must name at least one");
  out.approver_keys = in.keys("approver_keys", kKeysMax);
  for (const auto& key : out.approver_keys) {
    const auto& grantees = out.grantee_keys;
    in.require(std::find(grantees.begin(), grantees.end(), key) == grantees.end(), "approver_keys",
               "names a grantee");
  }
  out.approvals_needed =
      in.number("approvals_needed", out.approver_keys.empty() ? 0 : 1, out.approver_keys.size());
  out.purpose = in.text("purpose");
  in.require(!out.purpose.empty() && out.purpose.size() <= kPurposeBytesMax, "purpose",
             "must be 1 to 4096 bytes of text");
  out.lanes = in.names("lanes", program::lane_of);
  in.require(!out.lanes.empty(), "lanes", "must name at least one");
  out.output_kinds = in.names("output_kinds", program::kind_of);
  in.require(!out.output_kinds.empty(), "output_kinds", "must name at least one");
  const Json& programs = in.any("programs");
  const Json& budgets = in.any("budgets");
  out.auto_bits = in.uint("auto_bits");
  out.auto_total = in.uint("auto_total");
  out.exclusive = in.boolean("exclusive");
  out.not_before = in.time("not_before");
  out.until = in.time("until");
  in.require(out.until > out.not_before, "until", "must be after not_before");
  out.nonce = in.key32("nonce");
  out.issued = in.time("issued");
  COFFER_CHECK(in.finish());
  COFFER_TRY(out.programs, read_programs(programs));
  COFFER_TRY(out.budgets, read_budgets(budgets));
  return out;
}

template <>
Result<Revocation> parse<Revocation>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Revocation, payload));
  Fields in{json, "revocation"};
  Revocation out;
  out.grant = in.digest("grant");
  out.reason = in.text("reason");
  in.require(is_plain_text(out.reason, kReasonBytesMax), "reason",
             "must be 1 to 256 bytes of text");
  out.issued = in.time("issued");
  COFFER_CHECK(in.finish());
  return out;
}

template <>
Result<Run> parse<Run>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Run, payload));
  Fields in{json, "run"};
  Run out;
  out.program = in.digest("program");
  out.environment = in.digest("environment");
  const auto& inputs = in.list("inputs", program::kInputsMax);
  const auto& parameters = in.members("parameters");
  in.require(parameters.size() <= program::kParamsMax, "parameters", "are too many");
  for (const auto& [name, value] : parameters) {
    in.require(program::is_alias(name) && is_parameter_value(value), "parameters",
               "must be integers, strings, true or false by name");
    out.parameters.emplace(name, value);
  }
  const Json& resources = in.any("resources");
  out.retry = in.number("retry", 0, 1);
  const Json& outputs = in.any("outputs");
  out.grants = in.digests("grants", kGrantsMax);
  out.nonce = in.key32("nonce");
  COFFER_CHECK(in.finish());
  std::set<std::string> aliases;
  for (const Json& item : inputs) {
    Fields input{item, "run: inputs"};
    out.inputs.push_back(
        {input.form("alias", program::is_alias, "must be an alias"), input.digest("digest")});
    input.require(aliases.insert(out.inputs.back().alias).second, "alias", "stands twice");
    COFFER_CHECK(input.finish());
  }
  auto read = program::parse_resources(resources);
  if (!read) return std::move(read).error().in("run: resources");
  out.resources = *read;
  COFFER_CHECK(program::check_resources(out.resources));
  auto declared = program::parse_declaration(outputs);
  if (!declared) return std::move(declared).error().in("run: outputs");
  out.outputs = *std::move(declared);
  return out;
}

template <>
Result<Approval> parse<Approval>(std::string_view payload) {
  COFFER_TRY(const Json json, parse_canonical(Kind::Approval, payload));
  Fields in{json, "approval"};
  Approval out;
  out.run = in.digest("run");
  out.output = in.form("output", program::is_name, "must be an output's name");
  out.commitment = in.digest("commitment");
  out.verdict = in.name("verdict", approval_verdict_of);
  out.reason = in.text("reason");
  in.require(reason_problem(out.reason).empty(), "reason", reason_problem(out.reason));
  COFFER_CHECK(in.finish());
  return out;
}

}  // namespace coffer::grant
