#include "net/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace coffer::net {
namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

Error bad_target(std::string_view why) {
  return Error{Code::InvalidArgument, fmt::format("the request target {}", why)};
}

// A decoded piece that is text: UTF-8 without control bytes.
Result<std::string> decode_text(std::string_view text) {
  COFFER_TRY(auto decoded, percent_decode(text));
  if (!is_utf8(decoded) || std::ranges::any_of(decoded, is_control)) {
    return bad_target("holds bytes that are no text");
  }
  return decoded;
}

Result<> read_query(std::string_view text, Target& target) {
  for (const auto& part : split(text, '&')) {
    if (part.empty()) continue;
    std::string plain = part;
    std::ranges::replace(plain, '+', ' ');
    const auto equals = plain.find('=');
    COFFER_TRY(auto key, decode_text(std::string_view{plain}.substr(0, equals)));
    COFFER_TRY(auto value, decode_text(equals == std::string::npos
                                           ? std::string_view{}
                                           : std::string_view{plain}.substr(equals + 1)));
    target.query.emplace_back(std::move(key), std::move(value));
  }
  return {};
}

// The bytes [first, last] that "bytes=first-last", "first-" or "-suffix" asks for.
struct ByteRange {
  std::uint64_t first;
  std::uint64_t last;
};

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end) return {};
  return value;
}

enum class RangeKind : std::uint8_t { Whole, Part, Unsatisfiable };

// Anything that is not one well-formed range is answered with the whole file, as RFC 9110 allows.
RangeKind read_range(std::string_view text, std::uint64_t size, ByteRange& range) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return RangeKind::Whole;
  text.remove_prefix(kUnit.size());
  const auto dash = text.find('-');
  if (dash == std::string_view::npos || text.find(',') != std::string_view::npos) {
    return RangeKind::Whole;
  }
  const auto first = parse_number(text.substr(0, dash));
  const auto last = parse_number(text.substr(dash + 1));
  if (dash == 0) {
    if (!last) return RangeKind::Whole;
    if (*last == 0 || size == 0) return RangeKind::Unsatisfiable;
    range = {size - std::min(*last, size), size - 1};
    return RangeKind::Part;
  }
  const bool open_end = dash + 1 == text.size();
  if (!first || (!last && !open_end) || (last && *last < *first)) return RangeKind::Whole;
  if (*first >= size) return RangeKind::Unsatisfiable;
  range = {*first, last ? std::min(*last, size - 1) : size - 1};
  return RangeKind::Part;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      fields_, [&](const Field& field) { return equal_ignoring_case(field.first, name); }));
}

Headers& Headers::add(std::string_view name, std::string_view value) {
  std::string clean{value};
  std::ranges::replace_if(clean, is_control, ' ');
  fields_.emplace_back(name, std::move(clean));
  return *this;
}

Headers& Headers::set(std::string_view name, std::string_view value) {
  std::erase_if(fields_,
                [&](const Field& field) { return equal_ignoring_case(field.first, name); });
  return add(name, value);
}

std::optional<std::string_view> Target::find(std::string_view key) const {
  for (const auto& [name, value] : query) {
    if (name == key) return value;
  }
  return {};
}

Result<Target> Target::parse(std::string_view text) {
  if (!text.starts_with('/')) return bad_target("must be a path that starts with /");
  if (text.find('#') != std::string_view::npos) return bad_target("has a fragment");
  const auto question = text.find('?');
  Target target;
  const auto parts =
      split(text.substr(1, question == std::string_view::npos ? question : question - 1), '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    COFFER_TRY(auto segment, decode_text(parts[i]));
    if (segment == "." || segment == ".." || segment.find('/') != std::string::npos) {
      return bad_target("has a part '.', '..' or an encoded '/'");
    }
    target.path += "/" + segment;
    if (!segment.empty()) {
      target.segments.push_back(std::move(segment));
    } else if (i + 1 < parts.size()) {
      return bad_target("has an empty part");
    }
  }
  if (question != std::string_view::npos)
    COFFER_CHECK(read_query(text.substr(question + 1), target));
  return target;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [rest, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc{} || rest != digits.data() + 2) {
      return Error{Code::InvalidArgument, "a '%' without two hex digits"};
    }
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

Response Response::text(int status, std::string body, std::string_view type) {
  Response response{status, {}, std::move(body)};
  response.headers.add("Content-Type", type);
  return response;
}

Response Response::json(int status, std::string body) {
  return text(status, std::move(body), "application/json");
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

Response file_response(const Head& head, UniqueFd fd, std::uint64_t size, std::string_view type) {
  ByteRange range{};
  const auto wanted = head.headers.find("Range");
  const RangeKind kind =
      wanted && head.method == "GET" ? read_range(*wanted, size, range) : RangeKind::Whole;
  if (kind == RangeKind::Unsatisfiable) {
    Response response = Response::empty(416);
    response.headers.add("Content-Range", fmt::format("bytes */{}", size));
    return response;
  }
  Response response = Response::empty(kind == RangeKind::Part ? 206 : 200);
  response.headers.add("Content-Type", type).add("Accept-Ranges", "bytes");
  if (kind == RangeKind::Whole) {
    response.body = FileRange{std::move(fd), 0, size};
    return response;
  }
  response.headers.add("Content-Range",
                       fmt::format("bytes {}-{}/{}", range.first, range.last, size));
  response.body = FileRange{std::move(fd), range.first, range.last - range.first + 1};
  return response;
}

}  // namespace coffer::net
