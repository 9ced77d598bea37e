// HTTP/1.1 messages as values: header fields, targets, requests and responses.
//
// Invariants: a Target's path is percent-decoded exactly once, is valid UTF-8 and starts with '/';
// its segments contain no empty, "." or ".." part and no control byte, so they can name resources
// without another check. A header value never contains a line end.
// Errors: InvalidArgument.
// Thread-safety: as plain values.
// Source: RFC 9110, RFC 9112, RFC 3986.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace coffer::net {

class Headers {
 public:
  using Field = std::pair<std::string, std::string>;
  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}
  // The first field of that name, whatever its case; nothing when there is none.
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name) const { return find(name).value_or(""); }
  std::size_t count(std::string_view name) const;
  Headers& add(std::string_view name, std::string_view value);
  Headers& set(std::string_view name, std::string_view value);  // replaces those there
  const std::vector<Field>& all() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

// The origin-form of a request target.
struct Target {
  std::string path;                   // "/v1/datasets/clinic/tumours"
  std::vector<std::string> segments;  // "v1" "datasets" "clinic" "tumours"
  std::vector<std::pair<std::string, std::string>> query;
  std::optional<std::string_view> find(std::string_view key) const;  // first of that name

  static Result<Target> parse(std::string_view text);
};

std::string percent_encode(std::string_view text);  // all but unreserved characters
Result<std::string> percent_decode(std::string_view text);

// Who sent a request, as the socket says; behind a proxy that is the proxy.
struct Peer {
  std::string address;  // "127.0.0.1"
  bool loopback{false};
};

// A request once its head has arrived.
struct Head {
  std::string method;  // "GET"
  Target target;
  Headers headers;
  Peer peer;
  std::optional<std::uint64_t> content_length;  // nothing when chunked; 0 without a body
};

struct Request {
  Head head;
  std::string body;             // of a body received into memory
  std::uint64_t body_bytes{0};  // received, wherever they went
};

// Part of a file as a body.
struct FileRange {
  UniqueFd fd;
  std::uint64_t offset{0};
  std::uint64_t length{0};
};

struct Response {
  int status{200};
  Headers headers;
  std::variant<std::string, FileRange> body;

  static Response text(int status, std::string body,
                       std::string_view type = "text/plain; charset=utf-8");
  static Response json(int status, std::string body);
  static Response empty(int status) { return {status, {}, std::string{}}; }
};

std::string_view reason_phrase(int status);

// The file of `size` bytes as the answer to a GET or HEAD, one byte range of it (206) when the
// request asks for one that exists, or 416. Source: RFC 9110 section 14.
Response file_response(const Head& head, UniqueFd fd, std::uint64_t size, std::string_view type);

}  // namespace coffer::net
