#include "keeper/serve.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <string_view>

#include "keeper/keeper.h"
#include "os/channel.h"
#include "os/files.h"

namespace coffer::keeper {
namespace {

constexpr std::size_t kSocketsMax = 8;      // revocations at once
constexpr std::size_t kRequestsEach = 256;  // of one peer in one turn
constexpr Duration kReplyTimeout = 5s;

struct Connection {
  Peer peer;
  Channel channel;
  bool closed{false};
};

Result<UniqueFd> listen_on(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof(address.sun_path)) {
    return Error{Code::FailedPrecondition, "the path of keeper.sock is too long: " + text};
  }
  std::copy(text.begin(), text.end(), address.sun_path);
  (void)::unlink(text.c_str());  // of a keeper before us; the journal's lock keeps us one
  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) return system_error("make keeper.sock", errno);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(text.c_str(), 0666) != 0 || ::listen(socket.get(), 16) != 0) {
    return system_error("listen on keeper.sock", errno);
  }
  return socket;
}

Result<> confine_process(const ServeOptions& options, const std::vector<int>& keep) {
  if (options.confining == Confining::InsecureForTest) return {};
  Confinement confinement;
  confinement.identity = options.identity;
  confinement.paths.emplace();  // nothing: all files are open
  confinement.keep_fds = keep;
  return confine(confinement);
}

class Loop {
 public:
  Loop(Keeper keeper, UniqueFd control, UniqueFd socket)
      : keeper_(std::move(keeper)), control_(std::move(control)), socket_(std::move(socket)) {}

  // Until the control connection closes, or the journal fails.
  Result<> run() {
    for (;;) {
      auto polled = watched();
      if (::poll(polled.data(), polled.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return system_error("wait for requests", errno);
      }
      if (polled[0].revents != 0 && !accept_peer()) return {};
      if (polled[1].revents != 0) accept_socket();
      COFFER_CHECK(answer_all());
    }
  }

 private:
  std::vector<pollfd> watched() const {
    std::vector<pollfd> out{{control_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
    for (const auto& one : connections_) out.push_back({one.channel.fd(), POLLIN, 0});
    return out;
  }

  // False when the supervisor is gone.
  bool accept_peer() {
    auto arrived = receive_fd(control_.get(), kReplyTimeout);
    if (!arrived) return false;
    const auto tag = static_cast<PeerTag>(arrived->tag);
    if (tag != PeerTag::Front && tag != PeerTag::Worker) return true;
    const auto peer = tag == PeerTag::Front ? Peer::Front : Peer::Worker;
    std::erase_if(connections_, [&](const Connection& one) { return one.peer == peer; });
    connections_.push_back({peer, Channel{std::move(arrived->fd)}});
    return true;
  }

  void accept_socket() {
    UniqueFd fd{::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!fd) return;
    const auto is_socket = [](const Connection& one) { return one.peer == Peer::Socket; };
    const auto count = std::count_if(connections_.begin(), connections_.end(), is_socket);
    // The oldest makes room: who connects and says nothing shuts nobody out.
    if (static_cast<std::size_t>(count) >= kSocketsMax) {
      connections_.erase(std::find_if(connections_.begin(), connections_.end(), is_socket));
    }
    connections_.push_back({Peer::Socket, Channel{std::move(fd)}});
  }

  // Everything that is readable now, answered with one sync.
  Result<> answer_all() {
    std::vector<Incoming> requests;
    std::vector<Connection*> senders;
    for (auto& connection : connections_) {
      for (std::size_t i = 0; i < kRequestsEach && !connection.closed; ++i) {
        auto record = connection.channel.receive(Duration{0});
        if (record) {
          requests.push_back({connection.peer, *std::move(record)});
          senders.push_back(&connection);
        } else if (record.error().code == Code::Cancelled) {
          break;
        } else {
          connection.closed = true;
        }
      }
    }
    if (!requests.empty()) {
      COFFER_TRY(const auto replies, keeper_.answer(requests));
      for (std::size_t i = 0; i < replies.size(); ++i) {
        if (!senders[i]->channel.send(replies[i], kReplyTimeout)) senders[i]->closed = true;
      }
    }
    std::erase_if(connections_, [](const Connection& one) { return one.closed; });
    return {};
  }

  Keeper keeper_;
  UniqueFd control_;
  UniqueFd socket_;
  std::deque<Connection> connections_;
};

}  // namespace

Result<> serve(UniqueFd control, const ServeOptions& options) {
  static const SystemClock kClock;
  const auto directory = options.data / "keeper";
  COFFER_TRY(Key master_key, load_master_key(directory, options.master_key_command));
  COFFER_TRY(auto keeper, Keeper::open({directory, options.origin}, std::move(master_key), kClock));
  COFFER_TRY(auto socket, listen_on(directory / "keeper.sock"));
  std::vector<int> keep{0, 1, 2, control.get(), socket.get()};
  for (const int fd : keeper.fds()) keep.push_back(fd);
  for (const int fd : options.keep_fds) keep.push_back(fd);
  COFFER_CHECK(confine_process(options, keep));
  Loop loop{std::move(keeper), std::move(control), std::move(socket)};
  return loop.run();
}

}  // namespace coffer::keeper
