// The builder's state: the builds that wait, the one that runs, and what front is told of them.
//
// Invariants: at most one build runs; each Build that was taken is answered by one Built or Failed
// on the connection of that time; a Build that is waiting or running already is taken once.
// Errors: none are returned; a build's error becomes its Failed. Thread-safety: none.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "env/messages.h"
#include "env/recipe.h"
#include "os/channel.h"
#include "os/process.h"

namespace coffer::env {

class Worklist {
 public:
  using Tell = std::function<void(const Event&)>;
  Worklist(Workshop workshop, Tell tell) : workshop_(std::move(workshop)), tell_(std::move(tell)) {}

  // Removes what an earlier process left half made. Errors: Unavailable.
  Result<> clean();
  void take(const Request& request);
  // Starts the next build if none runs, passes on news of the running one.
  void advance();
  // To poll for news; -1 when nothing runs.
  int news_fd() const { return running_ ? running_->news.fd() : -1; }
  bool busy() const { return running_.has_value(); }

 private:
  struct Running {
    Build build;
    Spec spec;
    std::filesystem::path work;
    Process process;
    Channel news;
    UniqueFd log;
    Instant started;
    Stage stage{Stage::Base};
    unsigned percent{0};
    std::uint64_t log_at{0};
    std::string line{};
  };
  void take_build(const Build& build);
  void take_archive(const Archive& part);
  void take_cancel(const Cancel& cancel);
  void take_remove(const Remove& remove);
  void fail(const std::string& name, const Error& error);
  Result<> start(const Build& build);
  void follow_log();
  void say_line();
  bool hear();
  void end();
  Workshop workshop_;
  Tell tell_;
  std::deque<Build> waiting_;
  std::optional<Running> running_;
  SystemClock clock_;
  unsigned builds_{0};
};

}  // namespace coffer::env
