#include "net/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>

#include "base/io.h"
#include "net/detail/http1.h"
#include "net/detail/transport.h"

namespace coffer::net {
namespace detail {

// Takes a piece of a body; false: enough. The head is that of the answer.
using Sink = std::function<Result<bool>(const AnswerHead& head, std::string_view piece)>;

// Where a URL leads.
struct Place {
  enum class Scheme : std::uint8_t { Http, Https } scheme{Scheme::Http};
  std::string host;
  std::string port;
  std::string authority;  // as the Host field says it
  std::string prefix;     // of every target, without its last '/'

  static Result<Place> parse(std::string_view url);
};

class ClientCore {
 public:
  ClientCore(ClientOptions options, Place place, std::optional<TlsContext> tls)
      : options_(std::move(options)), place_(std::move(place)), tls_(std::move(tls)) {}

  Result<Answer> perform(const Call& call, const Sink* sink);

 private:
  struct Exchange {
    const Call& call;
    const Sink* sink;
    Instant deadline;
    bool heard{false};  // a byte of the answer has arrived
  };

  Result<> connect(Instant deadline);
  Result<UniqueFd> connect_socket(Instant deadline);
  bool is_alive();
  void hang_up();
  Result<Answer> exchange(Exchange& now);
  Result<std::string> render(const Call& call) const;
  Result<> send_request(Exchange& now);
  Result<> send_file(Exchange& now, const Upload& upload);
  Result<AnswerHead> read_head(Exchange& now);
  Result<Answer> read_body(Exchange& now, const AnswerHead& head);
  Result<bool> read_framed(Exchange& now, const AnswerHead& head, const Sink& sink);
  Result<bool> read_chunks(Exchange& now, const AnswerHead& head, const Sink& sink);
  // Receives into in_; false at the orderly end of the connection.
  Result<bool> receive(Exchange& now);
  Result<> wait(short events, Instant deadline) const;
  bool has_early_answer();

  ClientOptions options_;
  Place place_;
  std::optional<TlsContext> tls_;
  SystemClock clock_;
  std::unique_ptr<Transport> transport_;
  std::string in_;
};

}  // namespace detail

namespace {

using detail::AnswerHead;
using detail::Io;
using detail::IoResult;
using detail::Place;

constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kHeadMax = 64 << 10;

constexpr std::string_view kSilent = "silent";

Error lost() { return Error{Code::Unavailable, "the connection to the server was lost"}; }
Error silent() {
  return Error{Code::Unavailable, "the server has stopped answering"}.as(std::string{kSilent});
}

bool was_lost(const Error& error) {
  return error.code == Code::Unavailable && error.rule != kSilent;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

bool is_visible(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

short events_for(Io what) { return what == Io::WantRead ? POLLIN : POLLOUT; }

// While sending, an early answer ends the wait too.
short events_while_sending(Io what) { return what == Io::WantRead ? POLLIN : POLLIN | POLLOUT; }

bool is_safe(const Call& call) {
  return call.method == "GET" || call.method == "HEAD" || call.repeatable;
}

}  // namespace

namespace detail {

Result<Place> Place::parse(std::string_view url) {
  const Error bad{Code::InvalidArgument,
                  fmt::format("'{}' is no http:// or https:// address", printable(url))};
  Place place;
  if (url.starts_with("https://")) {
    place.scheme = Scheme::Https;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else {
    return bad;
  }
  const auto slash = std::min(url.find('/'), url.size());
  place.authority = url.substr(0, slash);
  place.prefix = url.substr(slash);
  while (place.prefix.ends_with('/')) place.prefix.pop_back();
  const bool plain =
      is_visible(place.authority) && place.authority.find_first_of("@?#\\") == std::string::npos;
  if (!plain || place.prefix.find_first_of("?# ") != std::string::npos) return bad;
  place.host = place.authority;
  place.port = place.scheme == Scheme::Https ? "443" : "80";
  const auto colon = place.authority.rfind(':');
  if (colon != std::string::npos && place.authority.find(']', colon) == std::string::npos) {
    place.host = place.authority.substr(0, colon);
    place.port = place.authority.substr(colon + 1);
  }
  if (place.host.starts_with('[') && place.host.ends_with(']')) {
    place.host = place.host.substr(1, place.host.size() - 2);
  }
  unsigned port = 0;
  const char* end = place.port.data() + place.port.size();
  const auto [rest, error] = std::from_chars(place.port.data(), end, port);
  if (place.host.empty() || error != std::errc{} || rest != end || port > 65535) return bad;
  return place;
}

Result<> ClientCore::wait(short events, Instant deadline) const {
  const Instant until = std::min(deadline, clock_.now() + options_.stall_time);
  pollfd waiting{transport_->fd(), events, 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock_.now());
    const auto most = std::clamp<std::int64_t>(left.count(), 0, 60'000);
    if (::poll(&waiting, 1, static_cast<int>(most)) > 0) return {};
    if (clock_.now() < until) continue;
    if (until == deadline) return Error{Code::Cancelled, "the deadline passed"};
    return silent();
  }
}

Result<UniqueFd> ClientCore::connect_socket(Instant deadline) {
  const Error none{Code::Unavailable,
                   fmt::format("cannot connect to {}", printable(place_.authority))};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  if (::getaddrinfo(place_.host.c_str(), place_.port.c_str(), &hints, &raw) != 0) return none;
  const std::unique_ptr<addrinfo, FreeAddresses> list{raw};
  const Instant until = std::min(deadline, clock_.now() + options_.connect_time);
  for (const addrinfo* one = raw; one != nullptr; one = one->ai_next) {
    UniqueFd fd{::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!fd) continue;
    if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) return fd;
    if (errno != EINPROGRESS) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock_.now());
    pollfd waiting{fd.get(), POLLOUT, 0};
    const auto most = std::clamp<std::int64_t>(left.count(), 0, 600'000);
    int problem = 1;
    socklen_t size = sizeof problem;
    const bool ended = ::poll(&waiting, 1, static_cast<int>(most)) == 1 &&
                       ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &problem, &size) == 0;
    if (ended && problem == 0) return fd;
  }
  if (clock_.now() >= deadline) return Error{Code::Cancelled, "the deadline passed"};
  return none;
}

Result<> ClientCore::connect(Instant deadline) {
  hang_up();
  COFFER_TRY(UniqueFd fd, connect_socket(deadline));
  if (!tls_) {
    transport_ = plain_transport(std::move(fd));
    return {};
  }
  COFFER_TRY(transport_, tls_connecting(std::move(fd), *tls_, place_.host));
  const Instant until = std::min(deadline, clock_.now() + options_.connect_time);
  for (;;) {
    const IoResult step = transport_->handshake();
    if (step.state == Io::Done) return {};
    const bool more = step.state == Io::WantRead || step.state == Io::WantWrite;
    if (auto waited = more ? wait(events_for(step.state), until) : Result<>{}; !waited) {
      hang_up();
      return clock_.now() < deadline ? silent() : std::move(waited).error();
    }
    if (more) continue;
    Error refused{Code::Unavailable,
                  fmt::format("cannot connect securely to {}: {}", printable(place_.authority),
                              transport_->problem())};
    hang_up();
    return refused;
  }
}

void ClientCore::hang_up() {
  transport_.reset();
  in_.clear();
}

// A kept connection that has anything to say before it was asked is closed, or of no use.
bool ClientCore::is_alive() {
  std::array<char, 1> byte;
  return transport_ && in_.empty() && transport_->read(byte).state == Io::WantRead;
}

Result<Answer> ClientCore::perform(const Call& call, const Sink* sink) {
  const Instant deadline = call.deadline ? clock_.now() + *call.deadline : Instant::max();
  Exchange now{call, sink, deadline};
  if (!is_alive()) COFFER_CHECK(connect(deadline));
  auto answer = exchange(now);
  // A server that closes a connection may not have seen what was on its way to it.
  if (!answer && !now.heard && was_lost(answer.error()) && is_safe(call)) {
    COFFER_CHECK(connect(deadline));
    answer = exchange(now);
  }
  if (!answer) hang_up();
  return answer;
}

Result<Answer> ClientCore::exchange(Exchange& now) {
  COFFER_CHECK(send_request(now));
  COFFER_TRY(const auto head, read_head(now));
  return read_body(now, head);
}

Result<std::string> ClientCore::render(const Call& call) const {
  if (!is_visible(call.method) || !call.target.starts_with('/') || !is_visible(call.target)) {
    return Error{Code::InvalidArgument,
                 "a request target must start with / and be percent-encoded"};
  }
  std::string head = fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: coffer\r\n",
                                 call.method, place_.prefix, call.target, place_.authority);
  for (const Headers* headers : {&options_.headers, &call.headers}) {
    for (const auto& [name, value] : headers->all()) {
      if (!is_visible(name)) return Error{Code::InvalidArgument, "a header name with a blank"};
      head += fmt::format("{}: {}\r\n", name, value);
    }
  }
  const auto* upload = std::get_if<Upload>(&call.body);
  const std::uint64_t length =
      upload != nullptr ? upload->length : std::get<std::string>(call.body).size();
  if (length > 0 || (call.method != "GET" && call.method != "HEAD")) {
    head += fmt::format("Content-Length: {}\r\n", length);
  }
  head += "\r\n";
  if (upload == nullptr) head += std::get<std::string>(call.body);
  return head;
}

Result<> ClientCore::send_request(Exchange& now) {
  COFFER_TRY(const std::string text, render(now.call));
  std::string_view rest = text;
  while (!rest.empty()) {
    const IoResult put = transport_->write(rest);
    if (put.state == Io::Done) {
      rest.remove_prefix(put.bytes);
    } else if (put.state == Io::WantRead || put.state == Io::WantWrite) {
      if (has_early_answer()) return {};
      COFFER_CHECK(wait(events_while_sending(put.state), now.deadline));
    } else {
      return lost();
    }
  }
  const auto* upload = std::get_if<Upload>(&now.call.body);
  return upload != nullptr ? send_file(now, *upload) : Result<>{};
}

// A server that refuses need not take the whole body: what it says is heard at once.
bool ClientCore::has_early_answer() {
  std::array<char, kPiece> piece;
  const IoResult got = transport_->read(piece);
  if (got.state == Io::Done) in_.append(piece.data(), got.bytes);
  return got.state != Io::WantRead && got.state != Io::WantWrite;
}

Result<> ClientCore::send_file(Exchange& now, const Upload& upload) {
  std::uint64_t sent = 0;
  while (sent < upload.length) {
    if (has_early_answer()) return {};
    const IoResult put =
        transport_->send_file(upload.fd, upload.offset + sent, upload.length - sent);
    if (put.state == Io::WantRead || put.state == Io::WantWrite) {
      COFFER_CHECK(wait(events_while_sending(put.state), now.deadline));
      continue;
    }
    if (put.state == Io::Closed) return {};  // it may have said why: read_head() finds out
    if (put.state != Io::Done) {
      return Error{Code::FailedPrecondition, "the file is shorter than it was, or cannot be sent"};
    }
    sent += put.bytes;
    if (upload.progress && !upload.progress({sent, upload.length})) {
      return Error{Code::Cancelled, "stopped while sending"};
    }
  }
  return {};
}

Result<bool> ClientCore::receive(Exchange& now) {
  std::array<char, kPiece> piece;
  for (;;) {
    const IoResult got = transport_->read(piece);
    switch (got.state) {
      case Io::Done:
        now.heard = true;
        in_.append(piece.data(), got.bytes);
        return true;
      case Io::WantRead:
      case Io::WantWrite: {
        COFFER_CHECK(wait(events_for(got.state), now.deadline));
        break;
      }
      case Io::Closed:
        return false;
      case Io::Failed:
        return lost();
    }
  }
}

Result<AnswerHead> ClientCore::read_head(Exchange& now) {
  for (;;) {
    const auto end = in_.find(kHeadEnd);
    if (end != std::string::npos) {
      const std::string block = in_.substr(0, end + kHeadEnd.size());
      in_.erase(0, block.size());
      now.heard = true;
      COFFER_TRY(auto head, parse_answer_head(block, now.call.method));
      if (head.status >= 200) return head;
      continue;  // 100 Continue and its like come before the answer
    }
    if (in_.size() > kHeadMax)
      return Error{Code::Unavailable, "the server's answer is no HTTP/1.1"};
    COFFER_TRY(const bool more, receive(now));
    if (!more) return lost();
  }
}

Result<Answer> ClientCore::read_body(Exchange& now, const AnswerHead& head) {
  Answer answer{head.status, head.headers, {}};
  const Sink into_memory = [&](const AnswerHead&, std::string_view piece) -> Result<bool> {
    if (answer.body.size() + piece.size() > kAnswerBytesMax) {
      return Error{Code::Unavailable, "the server's answer is longer than 64 MiB"};
    }
    answer.body += piece;
    return true;
  };
  const bool good = head.status >= 200 && head.status < 300;
  const Sink& sink = now.sink != nullptr && good ? *now.sink : into_memory;
  bool whole = true;
  if (head.framing == Framing::Chunked) {
    COFFER_TRY(whole, read_chunks(now, head, sink));
  } else if (head.framing != Framing::None) {
    COFFER_TRY(whole, read_framed(now, head, sink));
  }
  if (!whole || !head.keep_alive) hang_up();
  return answer;
}

// A body of known length, or one that ends with the connection.
Result<bool> ClientCore::read_framed(Exchange& now, const AnswerHead& head, const Sink& sink) {
  const bool counted = head.framing == Framing::Length;
  std::uint64_t left = head.length;
  for (;;) {
    const auto take =
        counted ? static_cast<std::size_t>(std::min<std::uint64_t>(left, in_.size())) : in_.size();
    if (take > 0) {
      COFFER_TRY(const bool more, sink(head, std::string_view{in_}.substr(0, take)));
      in_.erase(0, take);
      if (!more) return false;
    }
    if (counted) left -= take;
    if (counted && left == 0) return true;
    COFFER_TRY(const bool open, receive(now));
    if (!open && counted) return lost();
    if (!open) return true;
  }
}

Result<bool> ClientCore::read_chunks(Exchange& now, const AnswerHead& head, const Sink& sink) {
  ChunkReader chunks;
  for (;;) {
    std::string piece;
    const auto step = chunks.feed(in_, piece);
    in_.erase(0, step.consumed);
    if (step.state == ChunkReader::State::Bad) {
      return Error{Code::Unavailable, "the server's answer is no HTTP/1.1"};
    }
    if (!piece.empty()) {
      COFFER_TRY(const bool more, sink(head, piece));
      if (!more) return false;
    }
    if (step.state == ChunkReader::State::Done) return true;
    if (step.consumed > 0 && !in_.empty()) continue;
    COFFER_TRY(const bool open, receive(now));
    if (!open) return lost();
  }
}

}  // namespace detail

Client::Client(std::unique_ptr<detail::ClientCore> core) : core_(std::move(core)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::open(ClientOptions options) {
  COFFER_TRY(auto place, Place::parse(options.url));
  std::optional<detail::TlsContext> tls;
  if (place.scheme == Place::Scheme::Https) {
    COFFER_TRY(tls, detail::TlsContext::client(options.ca_file));
  }
  // A server that closes is an error of the write, not the end of the process.
  (void)std::signal(SIGPIPE, SIG_IGN);
  return Client{
      std::make_unique<detail::ClientCore>(std::move(options), std::move(place), std::move(tls))};
}

Result<Answer> Client::send(const Call& call) { return core_->perform(call, nullptr); }

Result<Answer> Client::stream(const Call& call, const Piece& piece) {
  const detail::Sink sink = [&](const AnswerHead&, std::string_view bytes) -> Result<bool> {
    return piece(bytes);
  };
  return core_->perform(call, &sink);
}

Result<Answer> Client::download(const Call& call, int fd, const Progress& progress) {
  std::uint64_t done = 0;
  const detail::Sink sink = [&](const AnswerHead& head, std::string_view bytes) -> Result<bool> {
    if (!write_fully(fd, bytes_of(bytes))) {
      return Error{Code::FailedPrecondition,
                   fmt::format("the file cannot be written (errno {})", errno)};
    }
    done += bytes.size();
    if (progress && !progress({done, head.length})) {
      return Error{Code::Cancelled, "stopped while receiving"};
    }
    return true;
  };
  return core_->perform(call, &sink);
}

}  // namespace coffer::net
