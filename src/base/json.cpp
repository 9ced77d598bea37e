#include "base/json.h"

#include <fmt/format.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace coffer {
namespace {

constexpr unsigned kFlags = rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseIterativeFlag;

// Builds a Json from RapidJSON's events: those keep the text of numbers and show repeated keys.
class Builder {
 public:
  using Ch = char;
  // NOLINTBEGIN(readability-identifier-naming): RapidJSON's names
  bool Null() { return put(Json{}); }
  bool Bool(bool value) { return put(Json{value}); }
  bool Int(int) { return refuse("a number without its text"); }
  bool Uint(unsigned) { return refuse("a number without its text"); }
  bool Int64(std::int64_t) { return refuse("a number without its text"); }
  bool Uint64(std::uint64_t) { return refuse("a number without its text"); }
  bool Double(double) { return refuse("a number without its text"); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
    return put(Json{Json::Number{std::string(text, length)}});
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    std::string value(text, length);
    if (!is_utf8(value)) return refuse_bytes();
    return put(Json{std::move(value)});
  }
  bool StartObject() { return open(Json{Json::Object{}}); }
  bool StartArray() { return open(Json{Json::Array{}}); }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool EndArray(rapidjson::SizeType) { return close(); }
  bool Key(const char* text, rapidjson::SizeType length, bool) {
    std::string name(text, length);
    if (!is_utf8(name)) return refuse_bytes();
    if (stack_.back().has(name)) return refuse("a key stands twice");
    keys_.back() = std::move(name);
    return true;
  }
  // NOLINTEND(readability-identifier-naming)

  Json root;
  std::string problem;

 private:
  bool refuse(std::string why) {
    if (problem.empty()) problem = std::move(why);
    return false;
  }
  // RapidJSON passes bytes on as they are, and makes three bytes of half a surrogate pair.
  bool refuse_bytes() { return refuse("not UTF-8"); }
  bool put(Json value) {
    if (stack_.empty()) {
      root = std::move(value);
    } else if (auto* members = stack_.back().as_object()) {
      members->emplace_back(std::move(keys_.back()), std::move(value));
    } else {
      stack_.back().as_array()->push_back(std::move(value));
    }
    return true;
  }
  bool open(Json container) {
    if (stack_.size() == kJsonDepthMax)
      return refuse(fmt::format("nested more than {} deep", kJsonDepthMax));
    stack_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Json done = std::move(stack_.back());
    stack_.pop_back();
    keys_.pop_back();
    return put(std::move(done));
  }

  std::vector<Json> stack_;
  std::vector<std::string> keys_;
};

void write_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

// RFC 8785 section 3.2.3 orders names by UTF-16 code units. That is byte order of UTF-8, but for
// surrogate pairs (lead byte 0xf0 and up), which sort before U+E000..U+FFFF (lead 0xee, 0xef).
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return y != b.end();
  const auto p = static_cast<unsigned char>(*x);
  const auto q = static_cast<unsigned char>(*y);
  if ((p >= 0xf0) != (q >= 0xf0) && std::min(p, q) >= 0xee) return p >= 0xf0;
  return p < q;
}

void newline(std::string& out, int indent) {
  out += '\n';
  out.append(static_cast<std::size_t>(indent) * 2, ' ');
}

// `indent` < 0: canonical, on one line and sorted.
void write(std::string& out, const Json& value, int indent) {
  const int inner = indent < 0 ? indent : indent + 1;
  if (const auto flag = value.as_bool()) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = value.as_number()) {
    out += number->text;
  } else if (const auto* text = value.as_string()) {
    write_string(out, *text);
  } else if (const auto* items = value.as_array()) {
    out += '[';
    for (std::size_t i = 0; i < items->size(); ++i) {
      if (i > 0) out += ',';
      if (inner >= 0) newline(out, inner);
      write(out, (*items)[i], inner);
    }
    if (inner >= 0 && !items->empty()) newline(out, indent);
    out += ']';
  } else if (const auto* members = value.as_object()) {
    std::vector<const Json::Member*> order;
    for (const auto& member : *members) order.push_back(&member);
    if (indent < 0) {
      std::sort(order.begin(), order.end(),
                [](const auto* a, const auto* b) { return utf16_less(a->first, b->first); });
    }
    out += '{';
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i > 0) out += ',';
      if (inner >= 0) newline(out, inner);
      write_string(out, order[i]->first);
      out += inner >= 0 ? ": " : ":";
      write(out, order[i]->second, inner);
    }
    if (inner >= 0 && !order.empty()) newline(out, indent);
    out += '}';
  } else {
    out += "null";
  }
}

const Json kNull;

}  // namespace

Json::Json(std::int64_t value) : value_(Number{std::to_string(value)}) {}
Json::Json(std::uint64_t value) : value_(Number{std::to_string(value)}) {}
Json::Json(const std::vector<std::string>& texts) {
  Array items;
  for (const auto& text : texts) items.emplace_back(text);
  value_ = std::move(items);
}

Result<Json> Json::parse(std::string_view text, JsonNumbers numbers) {
  Builder builder;
  rapidjson::Reader reader;
  rapidjson::MemoryStream stream{text.data(), text.size()};
  const auto parsed = numbers == JsonNumbers::AsPythonWrites
                          ? reader.Parse<kFlags | rapidjson::kParseNanAndInfFlag>(stream, builder)
                          : reader.Parse<kFlags>(stream, builder);
  if (parsed.IsError()) {
    if (!builder.problem.empty()) return Error{Code::InvalidArgument, builder.problem};
    return Error{Code::InvalidArgument, fmt::format("no valid JSON at byte {}", parsed.Offset())};
  }
  return std::move(builder.root);
}

std::string Json::canonical() const {
  std::string out;
  write(out, *this, -1);
  return out;
}

std::string Json::pretty() const {
  std::string out;
  write(out, *this, 0);
  return out;
}

std::optional<bool> Json::as_bool() const {
  if (const auto* flag = std::get_if<bool>(&value_)) return *flag;
  return {};
}

namespace {
template <class T>
std::optional<T> integer(const Json::Number* number) {
  if (number == nullptr) return {};
  T value{};
  const char* end = number->text.data() + number->text.size();
  const auto [at, error] = std::from_chars(number->text.data(), end, value);
  // The text must be the canonical one: no "-0", no "1e3".
  if (error != std::errc{} || at != end || std::to_string(value) != number->text) return {};
  return value;
}
}  // namespace

std::optional<std::int64_t> Json::as_int() const { return integer<std::int64_t>(as_number()); }
std::optional<std::uint64_t> Json::as_uint() const { return integer<std::uint64_t>(as_number()); }

const Json* Json::find(std::string_view key) const {
  if (const auto* members = as_object()) {
    for (const auto& [name, value] : *members) {
      if (name == key) return &value;
    }
  }
  return nullptr;
}

const Json& Json::operator[](std::string_view key) const {
  const Json* found = find(key);
  return found != nullptr ? *found : kNull;
}

Json& Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Object{};
  auto& members = *as_object();
  for (auto& member : members) {
    if (member.first == key) {
      member.second = std::move(value);
      return *this;
    }
  }
  members.emplace_back(std::string(key), std::move(value));
  return *this;
}

Json& Json::push(Json item) {
  if (is_null()) value_ = Array{};
  as_array()->push_back(std::move(item));
  return *this;
}

std::string Json::text_or(std::string_view key, std::string_view otherwise) const {
  const auto* text = (*this)[key].as_string();
  return text != nullptr ? *text : std::string(otherwise);
}

std::int64_t Json::int_or(std::string_view key, std::int64_t otherwise) const {
  return (*this)[key].as_int().value_or(otherwise);
}

bool Json::bool_or(std::string_view key, bool otherwise) const {
  return (*this)[key].as_bool().value_or(otherwise);
}

StrictReader::StrictReader(const Json& object, std::string context)
    : object_(object), context_(std::move(context)) {
  if (!object_.is_object()) problem_ = "must be an object";
}

const Json* StrictReader::take(std::string_view key) {
  taken_.push_back(key);
  const Json* value = object_.find(key);
  if (value == nullptr) refuse(key, "is missing");
  return value;
}

void StrictReader::refuse(std::string_view key, std::string_view why) {
  if (problem_.empty()) problem_ = fmt::format("field '{}' {}", key, why);
}

std::string StrictReader::text(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return {};
  if (const auto* text = value->as_string()) return *text;
  refuse(key, "must be a string");
  return {};
}

std::uint64_t StrictReader::uint(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return 0;
  if (const auto number = value->as_uint()) return *number;
  refuse(key, "must be an integer of at least 0");
  return 0;
}

std::int64_t StrictReader::integer(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return 0;
  if (const auto number = value->as_int()) return *number;
  refuse(key, "must be an integer");
  return 0;
}

bool StrictReader::boolean(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return false;
  if (const auto flag = value->as_bool()) return *flag;
  refuse(key, "must be true or false");
  return false;
}

const Json& StrictReader::any(std::string_view key) {
  const Json* value = take(key);
  return value != nullptr ? *value : kNull;
}

std::vector<std::string> StrictReader::texts(std::string_view key) {
  const Json* value = take(key);
  if (value == nullptr) return {};
  std::vector<std::string> out;
  const auto* items = value->as_array();
  if (items == nullptr) refuse(key, "must be a list");
  for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
    if (const auto* text = (*items)[i].as_string()) {
      out.push_back(*text);
    } else {
      refuse(key, "must be a list of strings");
    }
  }
  return out;
}

Result<> StrictReader::finish() {
  if (problem_.empty()) {
    for (const auto& [name, value] : *object_.as_object()) {
      if (std::find(taken_.begin(), taken_.end(), name) == taken_.end()) {
        refuse(name, "is unknown");
        break;
      }
    }
  }
  if (problem_.empty()) return {};
  return Error{Code::InvalidArgument, context_.empty() ? problem_ : context_ + ": " + problem_};
}

}  // namespace coffer
