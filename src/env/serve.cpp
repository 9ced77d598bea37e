#include "env/serve.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "base/log.h"
#include "env/messages.h"
#include "env/worklist.h"
#include "os/cgroup.h"
#include "os/channel.h"
#include "os/confine.h"

namespace coffer::env {
namespace {

constexpr Duration kSendTime = std::chrono::seconds{10};
constexpr int kWatch = 200;  // milliseconds between looks at the log of a running build

class Server {
 public:
  Server(UniqueFd control, Workshop workshop)
      : control_(std::move(control)),
        work_(std::move(workshop), [this](const Event& event) { tell(event); }) {}

  Result<> run() {
    COFFER_CHECK(work_.clean());
    for (;;) {
      std::array<pollfd, 3> wanted{{{control_.get(), POLLIN, 0},
                                    {front_ ? front_->fd() : -1, POLLIN, 0},
                                    {work_.news_fd(), POLLIN, 0}}};
      const int ready = ::poll(wanted.data(), wanted.size(), work_.busy() ? kWatch : -1);
      if (ready < 0 && errno != EINTR) return Error{Code::Internal, "builder: poll failed"};
      if (wanted[0].revents != 0 && !meet()) return {};
      if (wanted[1].revents != 0 && wanted[0].revents == 0) listen();
      work_.advance();
    }
  }

 private:
  // A new connection from front replaces the old one; false when the supervisor is gone.
  bool meet() {
    auto fresh = receive_fd(control_.get(), kSendTime);
    if (!fresh) return false;
    front_.emplace(std::move(fresh->fd));
    return true;
  }

  void listen() {
    const auto record = front_->receive(kSendTime);
    if (!record) {
      front_.reset();
      return;
    }
    const auto request = decode_request(*record);
    if (!request) {
      log_error("builder", "request", request.error());
      front_.reset();
      return;
    }
    work_.take(*request);
  }

  void tell(const Event& event) {
    if (!front_) return;
    if (const auto sent = front_->send(encode(event), kSendTime); !sent) front_.reset();
  }

  UniqueFd control_;
  std::optional<Channel> front_;
  Worklist work_;
};

}  // namespace

std::filesystem::path cache_directory() {
  const auto variables = process_variables();
  const auto value = [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string{} : found->second;
  };
  if (const auto own = value("COFFER_CACHE"); !own.empty()) return own;
  if (::geteuid() == 0) return "/var/cache/cofferdam";
  if (const auto xdg = value("XDG_CACHE_HOME"); !xdg.empty()) {
    return std::filesystem::path(xdg) / "cofferdam";
  }
  return std::filesystem::path(value("HOME")) / ".cache/cofferdam";
}

Result<> serve(UniqueFd control, const ServeOptions& options) {
  Workshop workshop{std::filesystem::absolute(options.data) / "env",
                    std::filesystem::absolute(options.cache), process_variables()};
  (void)Cgroups::detect().sweep();  // of a builder that was killed
  auto ended = Server{std::move(control), std::move(workshop)}.run();
  (void)Cgroups::detect().sweep();  // of the build that ended with it
  return ended;
}

}  // namespace coffer::env
