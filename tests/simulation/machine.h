// A site of one machine: the real front and the real keeper on one directory.
//
// Errors: start(): as front::open_site() and keeper::Keeper::open(); ask(): as front::append().
// Thread-safety: one thread.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "front/append.h"
#include "front/grants.h"
#include "front/recovery.h"
#include "front/start.h"
#include "keeper/keeper.h"
#include "os/files.h"

namespace coffer::simulation {

// Keeper and front on one directory, with the keeper answering in a thread of its own.
class Machine {
 public:
  Machine(std::filesystem::path data, ManualClock& clock) : data_(std::move(data)), clock_(clock) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine() { stop(); }

  // The front waits so long for an answer of the keeper, and the keeper holds each back for as long
  // as `hold` says.
  void hold_answers(Duration patience, std::function<Duration()> hold) {
    patience_ = patience;
    hold_ = std::move(hold);
  }

  Result<> start() {
    for (const char* folder : {"front", "front/uploads", "keeper", "ledger", "vault"}) {
      COFFER_CHECK(make_directories(data_ / folder));
    }
    COFFER_CHECK(start_keeper());
    return start_front();
  }

  void stop() {
    stop_front();
    keeper_.reset();
  }

  // Ended without a warning, and started again by the supervisor.
  Result<> restart_front() {
    stop_front();
    return start_front();
  }
  Result<> restart_keeper() {
    COFFER_TRY(ChannelPair line, make_channel_pair());
    restarting_ = true;
    site_->links.accept(PeerTag::Keeper, std::move(line.second));  // the old connection breaks
    thread_.join();
    restarting_ = false;
    keeper_.reset();
    COFFER_CHECK(start_keeper());
    answer_over(std::move(line.first));
    COFFER_CHECK(front::resend_pending(*site_));
    const auto entries = site_->status.tree_size;
    COFFER_CHECK(front::check_against_keeper(*site_));
    EXPECT_EQ(entries, site_->status.tree_size) << "what was sent again is in the status";
    return front::adopt_revocations(*site_);
  }

  // A folder as it is now, under another name; and back, while nothing runs.
  Result<> copy(const std::string& folder, const std::string& name) {
    return copy_folder(data_ / folder, data_ / name);
  }
  Result<> put_back(const std::string& name, const std::string& folder) {
    stop();
    return copy_folder(data_ / name, data_ / folder);
  }
  // As `coffer recover accept`, then a start.
  Result<> recover(const std::string& reason) {
    stop();
    COFFER_CHECK(start_keeper());
    COFFER_CHECK(connect_front());
    COFFER_CHECK(front::go_on_without_missing(*site_, reason));
    stop();
    return start();
  }

  // Time passes while the keeper answers nobody: it has a thread of its own, and one clock.
  void advance(Duration time) {
    const std::lock_guard lock{mutex_};
    clock_.advance(time);
  }

  front::Site& site() { return *site_; }
  const std::filesystem::path& data() const { return data_; }

  Result<keeper::Reply> ask(const keeper::Request& request) {
    using keeper::Peer;
    if (std::holds_alternative<keeper::Open>(request) ||
        std::holds_alternative<keeper::Started>(request) ||
        std::holds_alternative<keeper::Report>(request)) {
      return ask_keeper(Peer::Worker, request);
    }
    if (keeper::is_query(request)) return ask_keeper(Peer::Front, request);
    COFFER_TRY(auto appended, front::append(*site_, request, extra_of(request)));
    COFFER_CHECK(front::publish_ledger(*site_));
    return keeper::Reply{std::move(appended)};
  }

 private:
  Result<> start_keeper() {
    COFFER_TRY(auto made, keeper::Keeper::open({data_ / "keeper", "coffer.example/ledger"},
                                               *key_from(sha256("master").bytes), clock_));
    keeper_.emplace(std::move(made));
    return {};
  }

  static Result<> copy_folder(const std::filesystem::path& from, const std::filesystem::path& to) {
    COFFER_CHECK(remove_tree(to));
    std::error_code failed;
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, failed);
    if (failed) return Error{Code::Internal, failed.message()};
    return {};
  }

  Result<> start_front() {
    COFFER_CHECK(connect_front());
    return front::prepare_to_serve(*site_);
  }

  Result<> connect_front() {
    COFFER_TRY(ChannelPair line, make_channel_pair());
    COFFER_TRY(ChannelPair control, make_channel_pair());
    supervisor_ = std::move(control.first);
    answer_over(std::move(line.first));
    COFFER_TRY(site_, front::open_site(data_, clock_));
    site_->links = front::Links{std::move(control.second), patience_};
    site_->links.accept(PeerTag::Keeper, std::move(line.second));
    COFFER_TRY(site_->status, site_->links.ask_keeper_for<keeper::StatusReply>(keeper::Status{}));
    return {};
  }

  void stop_front() {
    site_.reset();  // its end of the line closes
    if (thread_.joinable()) thread_.join();
  }

  void answer_over(UniqueFd line) {
    thread_ = std::thread{[this, fd = std::make_shared<UniqueFd>(std::move(line))] {
      Channel channel{std::move(*fd)};
      serve(channel);
      if (!restarting_) supervisor_.reset();  // then nobody waits for another keeper
    }};
  }

  void serve(Channel& channel) {
    for (;;) {
      auto record = channel.receive(kForever);
      if (!record) return;
      const auto replies = answer({keeper::Peer::Front, *std::move(record)});
      if (hold_) std::this_thread::sleep_for(hold_());
      if (!replies || !channel.send(replies->front(), kForever)) return;
    }
  }

  Result<std::vector<ByteVector>> answer(keeper::Incoming request) {
    const std::lock_guard lock{mutex_};
    return keeper_->answer({std::move(request)});
  }

  Result<keeper::Reply> ask_keeper(keeper::Peer peer, const keeper::Request& request) {
    COFFER_TRY(const auto replies, answer({peer, keeper::encode(request)}));
    return keeper::decode_reply(replies.front());
  }

  // What the front adds to a settlement: which outputs there were.
  Json extra_of(const keeper::Request& request) {
    Json extra = Json::object({{"time", site_->now_ms()}, {"user", "ada"}});
    const auto* settle = std::get_if<keeper::Settle>(&request);
    if (settle == nullptr) return extra;
    const auto reply = ask_keeper(keeper::Peer::Front, keeper::RunQuery{settle->run});
    Json outputs = Json::array();
    if (const auto* run = reply ? std::get_if<keeper::RunReply>(&*reply) : nullptr;
        run != nullptr && run->report) {
      for (const auto& output : run->report->outputs) {
        outputs.push(
            Json::object({{"name", output.name}, {"commitment", output.commitment.text()}}));
      }
    }
    extra.set("outputs", std::move(outputs));
    return extra;
  }

  std::filesystem::path data_;
  ManualClock& clock_;
  Duration patience_{front::kKeeperPatience};
  std::function<Duration()> hold_;
  std::mutex mutex_;
  std::optional<keeper::Keeper> keeper_;
  std::unique_ptr<front::Site> site_;
  UniqueFd supervisor_;
  std::atomic<bool> restarting_{false};
  std::thread thread_;
};

}  // namespace coffer::simulation
