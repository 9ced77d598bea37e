// A builder process as front sees it, for tests.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "env/messages.h"
#include "env/serve.h"
#include "os/channel.h"
#include "os/files.h"
#include "os/process.h"

namespace coffer::env {

class Builder {
 public:
  explicit Builder(const std::filesystem::path& data, const std::filesystem::path& cache) {
    auto control = make_channel_pair();
    process_.emplace(*Process::fork([&] {
      control->first.reset();
      return serve(std::move(control->second), {.data = data, .cache = cache}) ? 0 : 1;
    }));
    control_ = std::move(control->first);
    connect();
  }
  void connect() {
    auto ends = make_channel_pair();
    EXPECT_TRUE(send_fd(control_.get(), 'f', ends->second.get()));
    front_.emplace(std::move(ends->first));
  }
  void send(const Request& request) { EXPECT_TRUE(front_->send(encode(request), 10s)); }
  // The next event that is no Progress; the lines before it are kept.
  Event outcome(Duration patience = 60s) {
    for (;;) {
      const auto record = front_->receive(patience);
      if (!record) return Failed{"", record.error().code, "no word: " + record.error().message};
      const auto event = decode_event(*record);
      EXPECT_TRUE(event);
      if (!event) return Failed{"", Code::Corrupt, "no event"};
      const auto* progress = std::get_if<Progress>(&*event);
      if (progress == nullptr) return *event;
      EXPECT_GE(progress->percent, percent_);
      percent_ = progress->percent;
      if (!progress->line.empty()) lines_ += progress->line + "\n";
    }
  }
  const std::string& lines() const { return lines_; }
  void restart_progress() { percent_ = 0; }
  pid_t pid() const { return process_->pid(); }

 private:
  std::optional<Process> process_;
  UniqueFd control_;
  std::optional<Channel> front_;
  unsigned percent_{0};
  std::string lines_;
};

}  // namespace coffer::env
