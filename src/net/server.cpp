#include "net/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "net/detail/connection.h"
#include "net/detail/server_core.h"

namespace coffer::net {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr Duration kOutOfDescriptors = 100ms;
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
    "Content-Length: 0\r\n\r\n";

struct Address {
  sockaddr_storage storage{};
  socklen_t length{sizeof(sockaddr_storage)};
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

std::uint16_t port_of(int fd) {
  Address address;
  if (::getsockname(fd, address.get(), &address.length) != 0) return 0;
  if (address.storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  }
  if (address.storage.ss_family != AF_INET6) return 0;
  return ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
}

Peer peer_of(Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.storage.ss_family == AF_UNIX) return {"unix", true};
  if (address.storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
    (void)::inet_ntop(AF_INET, &in->sin_addr, text.data(), text.size());
    return {text.data(), (ntohl(in->sin_addr.s_addr) >> 24) == 127};
  }
  const auto* in = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  (void)::inet_ntop(AF_INET6, &in->sin6_addr, text.data(), text.size());
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr) && in->sin6_addr.s6_addr[12] == 127;
  return {text.data(), IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) || mapped};
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

Result<UniqueFd> listen_at(const addrinfo& where, std::string_view address) {
  UniqueFd fd{::socket(where.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return Error{Code::Unavailable, "no socket can be made"};
  const int on = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), where.ai_addr, where.ai_addrlen) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0) {
    if (errno == EADDRINUSE) {
      return Error{Code::AlreadyExists,
                   fmt::format("another program listens on {}", printable(address))}
          .as("address_in_use");
    }
    return Error{Code::Unavailable,
                 fmt::format("cannot listen on {}: {}", printable(address), std::strerror(errno))};
  }
  return fd;
}

// getaddrinfo() takes any number and cuts it to 16 bits.
bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  return error == std::errc{} && rest == end;
}

}  // namespace

namespace detail {

ServerCore::ServerCore(Loop& loop, UniqueFd listener, Handler& handler, ServerOptions options,
                       std::optional<TlsContext> tls)
    : loop_(loop),
      listener_(std::move(listener)),
      handler_(handler),
      options_(std::move(options)),
      tls_(std::move(tls)),
      port_(port_of(listener_.get())) {}

ServerCore::~ServerCore() {
  drained_ = nullptr;
  kill_all();
}

Result<> ServerCore::start() {
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(listener_.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 ||
      listening == 0) {
    return Error{Code::InvalidArgument, "the descriptor is no listening socket"};
  }
  const int flags = ::fcntl(listener_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(listener_.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return Error{Code::Unavailable, "the listening socket cannot be made non-blocking"};
  }
  COFFER_TRY(accepting_, loop_.watch(listener_.get(), Ready::Read, [this] { accept_some(); }));
  return {};
}

void ServerCore::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (!accept_one()) return;
  }
}

bool ServerCore::accept_one() {
  Address from;
  UniqueFd fd{::accept4(listener_.get(), from.get(), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (!fd) {
    if (errno == ECONNABORTED || errno == EINTR) return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      // Out of descriptors: the socket stays readable, so look away for a moment.
      accepting_.pause();
      later_ = loop_.after(kOutOfDescriptors, [this] { accepting_.change(Ready::Read); });
    }
    return false;
  }
  const int on = 1;
  (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Peer peer = peer_of(from);
  if (!make_room(peer.address)) {
    if (!tls_) (void)::send(fd.get(), kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return true;
  }
  add(std::move(fd), std::move(peer));
  return true;
}

// At the limit the connection that has been idle longest makes way.
bool ServerCore::make_room(const std::string& address) {
  const auto count = per_address_.find(address);
  const bool same_address =
      count != per_address_.end() && count->second >= options_.limits.connections_per_address;
  if (!same_address && connections_.size() < options_.limits.connections) return true;
  std::shared_ptr<Connection> oldest;
  for (const auto& connection : connections_) {
    if (!connection->is_idle() || (same_address && connection->address() != address)) continue;
    if (!oldest || connection->since() < oldest->since()) oldest = connection;
  }
  if (!oldest) return false;
  oldest->kill();
  return true;
}

void ServerCore::add(UniqueFd fd, Peer peer) {
  std::unique_ptr<Transport> transport;
  if (tls_) {
    auto secured = tls_accepting(std::move(fd), *tls_);
    if (!secured) return;
    transport = *std::move(secured);
  } else {
    transport = plain_transport(std::move(fd));
  }
  const std::string address = peer.address;
  auto connection = std::make_shared<Connection>(*this, std::move(transport), std::move(peer));
  if (!connection->start()) return;
  connections_.insert(std::move(connection));
  ++per_address_[address];
}

void ServerCore::remove(const std::shared_ptr<Connection>& connection, const std::string& address) {
  if (connections_.erase(connection) == 0) return;
  const auto count = per_address_.find(address);
  if (count != per_address_.end() && --count->second == 0) per_address_.erase(count);
  if (draining_ && connections_.empty()) finish_drain();
}

void ServerCore::kill_all() {
  const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
  for (const auto& connection : all) connection->kill();
}

void ServerCore::drain(Duration patience, Task done) {
  accepting_.cancel();
  listener_.reset();
  let_go(patience, std::move(done));
}

void ServerCore::pause(Duration patience, Task done) {
  if (!listener_) return;
  accepting_.pause();
  let_go(patience, std::move(done));
}

void ServerCore::resume() {
  if (!listener_) return;
  later_.cancel();
  drained_ = nullptr;
  draining_ = false;
  accepting_.change(Ready::Read);
}

void ServerCore::let_go(Duration patience, Task done) {
  draining_ = true;
  drained_ = std::move(done);
  later_ = loop_.after(patience, [this] { kill_all(); });
  const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
  for (const auto& connection : all) connection->drain();
  if (connections_.empty()) finish_drain();
}

void ServerCore::finish_drain() {
  later_.cancel();
  if (Task done = std::exchange(drained_, nullptr)) loop_.post(std::move(done));
}

}  // namespace detail

Result<UniqueFd> listen_on(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) {
    return Error{Code::InvalidArgument, fmt::format("'{}' is no HOST:PORT", printable(address))};
  }
  std::string host{address.substr(0, colon)};
  const std::string port{address.substr(colon + 1)};
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* raw = nullptr;
  if (host.empty() || !is_port(port) ||
      ::getaddrinfo(host.c_str(), port.c_str(), &hints, &raw) != 0) {
    return Error{Code::InvalidArgument, fmt::format("'{}' is no HOST:PORT", printable(address))};
  }
  const std::unique_ptr<addrinfo, FreeAddresses> list{raw};
  return listen_at(*list, address);
}

Response Handler::problem(int status, std::string_view code, std::string_view text) {
  return Response::text(status, fmt::format("{}: {}\n", code, text));
}

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    Reply dropped{std::move(*this)};
    connection_ = std::move(other.connection_);
    request_ = other.request_;
  }
  return *this;
}

Reply::~Reply() {
  if (const auto connection = connection_.lock()) {
    connection->answer(request_, Response::text(500, "internal: the request was not answered\n"));
  }
}

void Reply::send(Response response) && {
  if (const auto connection = std::exchange(connection_, {}).lock()) {
    connection->answer(request_, std::move(response));
  }
}

EventStream Reply::stream(Headers headers) && {
  const auto connection = std::exchange(connection_, {}).lock();
  if (connection) connection->open_stream(request_, std::move(headers));
  return EventStream{connection, request_};
}

bool Reply::client_gone() const {
  const auto connection = connection_.lock();
  return !connection || connection->client_gone(request_);
}

void EventStream::push(const Event& event) {
  if (const auto connection = connection_.lock()) connection->push(request_, event);
}

void EventStream::close() {
  if (const auto connection = connection_.lock()) connection->close_stream(request_);
}

bool EventStream::is_open() const {
  const auto connection = connection_.lock();
  return connection && connection->stream_open(request_);
}

void EventStream::on_close(Task task) {
  if (const auto connection = connection_.lock()) {
    connection->on_stream_close(request_, std::move(task));
  }
}

Server::Server(std::unique_ptr<detail::ServerCore> core) : core_(std::move(core)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::open(Loop& loop, UniqueFd listener, Handler& handler,
                            ServerOptions options) {
  std::optional<detail::TlsContext> tls;
  if (options.tls) {
    COFFER_TRY(tls, detail::TlsContext::server({options.tls->certificate, options.tls->key}));
  }
  auto core = std::make_unique<detail::ServerCore>(loop, std::move(listener), handler,
                                                   std::move(options), std::move(tls));
  COFFER_CHECK(core->start());
  return Server{std::move(core)};
}

std::uint16_t Server::port() const { return core_->port(); }
std::size_t Server::connections() const { return core_->connections(); }
void Server::drain(Duration patience, Task done) { core_->drain(patience, std::move(done)); }
void Server::pause(Duration patience, Task done) { core_->pause(patience, std::move(done)); }
void Server::resume() { core_->resume(); }

}  // namespace coffer::net
