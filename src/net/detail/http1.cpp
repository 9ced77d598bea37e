#include "net/detail/http1.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

// The one file that includes Beast. Beast 1.81 asserts that the end of a chunked body without
// chunks does not arrive in two pieces, and handles it well: its assertions are off.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace coffer::net::detail {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

constexpr std::size_t kOut = 64 << 10;
// A chunk's size line and the trailer together; a longer one is an attack.
constexpr std::size_t kChunkLineMax = 8 << 10;

std::string_view view_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

// Nothing but complete lines, each field "token: text" on one line.
bool is_plain_head(std::string_view block) {
  bool first = true;
  while (block.size() > 2) {
    const auto end = block.find("\r\n");
    if (end == std::string_view::npos) return false;
    const auto line = block.substr(0, end);
    block.remove_prefix(end + 2);
    const bool controls = std::ranges::any_of(line, [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
    if (controls || line.empty()) return false;
    if (!std::exchange(first, false) && !is_token(line.substr(0, line.find(':')))) return false;
  }
  return !first && block == "\r\n";
}

bool is_other_version(std::string_view request_line) {
  constexpr std::string_view kForm = " HTTP/1.1";
  if (request_line.size() < kForm.size()) return false;
  const auto version = request_line.substr(request_line.size() - kForm.size());
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return version.starts_with(" HTTP/") && digit(version[6]) && version[7] == '.' &&
         digit(version[8]) && version != " HTTP/1.1" && version != " HTTP/1.0";
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || text.starts_with('-')) return {};
  return static_cast<std::uint64_t>(value);
}

template <class Message>
Headers headers_of(const Message& message) {
  Headers headers;
  for (const auto& field : message) {
    headers.add(view_of(field.name_string()), view_of(field.value()));
  }
  return headers;
}

bool lists(std::string_view list, std::string_view word) {
  return std::ranges::any_of(split(list, ','), [&](const std::string& item) {
    return equal_ignoring_case(trim(item), word);
  });
}

struct Frame {
  Framing framing;
  std::uint64_t length;
};

// What Content-Length and Transfer-Encoding say; nothing where they can be read in two ways.
std::variant<Frame, Refusal> frame_of(const Headers& headers, unsigned version) {
  const std::size_t lengths = headers.count("Content-Length");
  const std::size_t encodings = headers.count("Transfer-Encoding");
  if (lengths + encodings > 1) {
    return Refusal{400, "ambiguous_length", "more than one Content-Length or Transfer-Encoding"};
  }
  if (encodings == 1) {
    if (version < 11) return Refusal{400, "ambiguous_length", "Transfer-Encoding in HTTP/1.0"};
    if (!equal_ignoring_case(headers.get("Transfer-Encoding"), "chunked")) {
      return Refusal{501, "unknown_encoding", "the only Transfer-Encoding is chunked"};
    }
    return Frame{Framing::Chunked, 0};
  }
  if (lengths == 0) return Frame{Framing::None, 0};
  const auto length = parse_length(headers.get("Content-Length"));
  if (!length) return Refusal{400, "bad_length", "Content-Length is no number"};
  return Frame{*length == 0 ? Framing::None : Framing::Length, *length};
}

// Names and lengths that Beast reads leniently are refused before or after it.
template <bool kIsRequest>
bool read_head(http::parser<kIsRequest, http::empty_body>& parser, std::string_view block) {
  // The body is framed by frame_of(), so Beast must not look for it.
  parser.skip(true);
  parser.header_limit(std::numeric_limits<std::uint32_t>::max());
  parser.body_limit(boost::none);
  error_code error;
  (void)parser.put(boost::asio::const_buffer{block.data(), block.size()}, error);
  return !error && parser.is_header_done();
}

}  // namespace

std::variant<RequestHead, Refusal> parse_request_head(std::string_view block,
                                                      std::size_t fields_max) {
  const Refusal malformed{400, "malformed_request", "this is no HTTP/1.1 request"};
  if (!is_plain_head(block)) return malformed;
  if (is_other_version(block.substr(0, block.find("\r\n")))) {
    return Refusal{505, "unknown_version", "only HTTP/1.1 is spoken here"};
  }
  http::request_parser<http::empty_body> parser;
  if (!read_head(parser, block)) return malformed;
  const auto& message = parser.get();
  RequestHead out;
  out.head.headers = headers_of(message);
  if (out.head.headers.all().size() > fields_max) {
    return Refusal{431, "too_many_fields", "too many header fields"};
  }
  const auto frame = frame_of(out.head.headers, message.version());
  if (const auto* refusal = std::get_if<Refusal>(&frame)) return *refusal;
  out.framing = std::get<Frame>(frame).framing;
  out.length = std::get<Frame>(frame).length;
  if (out.framing != Framing::Chunked) out.head.content_length = out.length;
  const std::size_t hosts = out.head.headers.count("Host");
  if (hosts > 1 || (hosts == 0 && message.version() == 11)) {
    return Refusal{400, "host_required", "exactly one Host field is required"};
  }
  auto target = Target::parse(view_of(message.target()));
  if (!target) return Refusal{400, "bad_target", "the request target is not a plain path"};
  out.head.target = *std::move(target);
  out.head.method = view_of(message.method_string());
  out.keep_alive = message.version() == 11 && !lists(out.head.headers.get("Connection"), "close");
  out.expects_continue = message.version() == 11 &&
                         equal_ignoring_case(out.head.headers.get("Expect"), "100-continue");
  return out;
}

Result<AnswerHead> parse_answer_head(std::string_view block, std::string_view method) {
  const Error malformed{Code::Unavailable, "the server's answer is no HTTP/1.1"};
  http::response_parser<http::empty_body> parser;
  if (!is_plain_head(block) || !read_head(parser, block)) return malformed;
  const auto& message = parser.get();
  AnswerHead out;
  out.status = static_cast<int>(message.result_int());
  out.headers = headers_of(message);
  out.keep_alive = message.version() == 11 && !lists(out.headers.get("Connection"), "close");
  const auto frame = frame_of(out.headers, message.version());
  if (!std::holds_alternative<Frame>(frame)) return malformed;
  const bool bodiless =
      method == "HEAD" || out.status < 200 || out.status == 204 || out.status == 304;
  if (bodiless) return out;
  out.framing = std::get<Frame>(frame).framing;
  out.length = std::get<Frame>(frame).length;
  if (out.framing == Framing::None && out.headers.count("Content-Length") == 0) {
    out.framing = Framing::UntilClose;
    out.keep_alive = false;
  }
  return out;
}

// Beast reads chunks only behind a head of its own, so it is given one.
struct ChunkReader::Inside {
  http::request_parser<http::buffer_body> parser;
  std::array<char, kOut> out;

  Inside() {
    constexpr std::string_view kHead = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    error_code error;
    parser.body_limit(boost::none);
    (void)parser.put(boost::asio::const_buffer{kHead.data(), kHead.size()}, error);
    parser.eager(true);
  }
};

ChunkReader::ChunkReader() : inside_(std::make_unique<Inside>()) {}
ChunkReader::~ChunkReader() = default;
ChunkReader::ChunkReader(ChunkReader&&) noexcept = default;
ChunkReader& ChunkReader::operator=(ChunkReader&&) noexcept = default;

ChunkReader::Step ChunkReader::feed(std::string_view in, std::string& out) {
  auto& parser = inside_->parser;
  if (in.empty()) return {parser.is_done() ? State::Done : State::More, 0};
  auto& body = parser.get().body();
  body.data = inside_->out.data();
  body.size = inside_->out.size();
  body.more = true;
  error_code error;
  const std::size_t consumed = parser.put(boost::asio::const_buffer{in.data(), in.size()}, error);
  out.append(inside_->out.data(), inside_->out.size() - body.size);
  if (error == http::error::need_more || error == http::error::need_buffer) error = {};
  if (error) return {State::Bad, consumed};
  if (parser.is_done()) return {State::Done, consumed};
  const bool stuck = consumed == 0 && body.size == inside_->out.size() && in.size() > kChunkLineMax;
  return {stuck ? State::Bad : State::More, consumed};
}

}  // namespace coffer::net::detail
