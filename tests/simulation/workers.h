// Simulated workers, and the supervisors of runs that they look after.
//
// Errors: failures of the test. Thread-safety: one thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "front/schedule.h"
#include "simulation/site_check.h"
#include "worker/messages.h"

namespace coffer::simulation {

// What worker/serve.cpp and worker/execute.cpp do, one step at a time: the front's orders are
// taken, each run is opened, started, reported and told to have ended by a supervisor of its own.
class Workers {
 public:
  Workers(Machine& machine, const ManualClock& clock, keeper::test::World& world)
      : machine_(machine), clock_(clock), world_(world) {}

  // The supervisor of the site hands over a connection to the front, old or new.
  Result<> connect() {
    COFFER_TRY(ChannelPair line, make_channel_pair());
    front_.emplace(std::move(line.second));
    machine_.site().links.accept(PeerTag::Worker, std::move(line.first));
    return front::resume_worker(machine_.site());
  }

  // The worker, and with it all that it looked after.
  void die() {
    jobs_.clear();
    front_.reset();
  }

  // Without a last word. One that had told nothing is told to have ended by the worker.
  void kill_one(std::uint64_t which) {
    if (jobs_.empty()) return;
    auto job = std::next(jobs_.begin(), static_cast<std::ptrdiff_t>(which % jobs_.size()));
    end_without_word(job->first, job->second);
  }

  void take_orders() {
    for (;;) {
      auto record = front_->receive(0s);
      if (!record) return;
      const auto request = worker::decode_request(*record);
      ASSERT_TRUE(request);
      if (const auto* order = std::get_if<worker::Execute>(&*request)) take(*order);
      if (const auto* order = std::get_if<worker::Kill>(&*request)) {
        if (const auto job = jobs_.find(order->run); job != jobs_.end()) {
          end_without_word(job->first, job->second);
        }
      }
    }
  }

  // One step of one supervisor.
  void step(std::uint64_t which, bool fails) {
    if (jobs_.empty()) return;
    auto job = std::next(jobs_.begin(), static_cast<std::ptrdiff_t>(which % jobs_.size()));
    step(job->first, job->second, fails);
  }
  void step_all() {
    for (auto& [digest, job] : jobs_) step(digest, job, false);
  }
  std::size_t opened() const { return opened_; }

 private:
  enum class At : std::uint8_t { Begun, Opened, Started, Reported, Over };
  struct Job {
    grant::Run run;
    std::uint32_t attempt{0};
    At at{At::Begun};
    std::uint64_t visible_ms{0};
    std::vector<worker::Event> told{};
  };

  static bool is_last(const Job& job) {
    return !job.told.empty() && !std::holds_alternative<worker::Started>(job.told.back());
  }

  void take(const worker::Execute& order) {
    const Digest digest = sha256(order.run);
    if (const auto known = jobs_.find(digest); known != jobs_.end()) {
      const auto& told = known->second.told;
      const auto* refused = told.empty() ? nullptr : std::get_if<worker::NotStarted>(&told.back());
      if (refused == nullptr || refused->cause != worker::kAwaitsLimit) {
        for (const auto& event : told) tell(event);
        if (known->second.at != At::Over || is_last(known->second)) return;
      }
    }
    jobs_[digest] = {*grant::parse<grant::Run>(text_of(order.run)), order.attempt};
  }

  void step(const Digest& digest, Job& job, bool fails) {
    switch (job.at) {
      case At::Begun:
        return open(digest, job);
      case At::Opened: {
        if (fails) return end(job, worker::NotStarted{digest, "environment", "no such file"});
        const auto noted = ask<keeper::StartedReply>(keeper::Started{digest, job.attempt});
        if (!noted) return end(job, not_started(digest, noted.error()));
        job.at = At::Started;
        return tell(job, worker::Started{digest, static_cast<std::int64_t>(noted->started_ms)});
      }
      case At::Started: {
        const auto noted =
            ask<keeper::ReportReply>(keeper::Report{digest, job.attempt, judged(world_, job.run)});
        if (!noted) {
          job.at = At::Over;  // it says so in its log
          return;
        }
        job.visible_ms = noted->visible_at_ms;
        job.at = At::Reported;
        return;
      }
      case At::Reported:
        if (now_ms() < job.visible_ms) return;
        return end(job, worker::Ended{digest});
      case At::Over:
        return;
    }
  }

  void open(const Digest& digest, Job& job) {
    const auto permit = ask<keeper::PermitReply>(world_.open(digest, job.attempt));
    if (permit) {
      ++opened_;
      job.at = At::Opened;
      return;
    }
    const std::string& rule = permit.error().rule;
    const bool known = rule == "no_retry" || rule == "already_over" || rule == "already_reported";
    if (known) return end(job, worker::Ended{digest});
    end(job, not_started(digest, permit.error()));
  }

  static worker::NotStarted not_started(const Digest& digest, const Error& error) {
    worker::NotStarted out{digest, error.rule, error.message};
    if (error.rule == "suspended" || error.rule == "frozen") {
      out.cause = worker::kAwaitsLimit;
    } else if (error.rule != "revoked") {
      const bool denied = error.code == Code::Denied || error.code == Code::BudgetExhausted;
      out.cause = denied ? "revoked" : "environment";
    }
    return out;
  }

  void end_without_word(const Digest& digest, Job& job) {
    if (job.at == At::Over) return;
    job.at = At::Over;
    if (job.told.empty()) {
      tell(job, worker::NotStarted{digest, "environment", "the cell's supervisor died"});
    }
  }
  void end(Job& job, const worker::Event& event) {
    job.at = At::Over;
    tell(job, event);
  }
  void tell(Job& job, const worker::Event& event) {
    job.told.push_back(event);
    tell(event);
  }
  // As the front reads it off the connection.
  void tell(const worker::Event& event) {
    const auto heard = front::on_worker_record(machine_.site(), worker::encode(event));
    EXPECT_TRUE(heard) << heard.error().message;
  }

  template <class T>
  Result<T> ask(const keeper::Request& request) {
    COFFER_TRY(keeper::Reply reply, machine_.ask(request));
    if (const auto* refused = std::get_if<keeper::Refused>(&reply)) {
      return Error{refused->code, refused->message}.as(refused->rule);
    }
    return std::get<T>(std::move(reply));
  }
  std::uint64_t now_ms() const {
    return static_cast<std::uint64_t>(clock_.unix_time().time_since_epoch().count());
  }

  Machine& machine_;
  const ManualClock& clock_;
  keeper::test::World& world_;
  std::optional<Channel> front_;
  std::map<Digest, Job> jobs_;
  std::size_t opened_{0};
};

}  // namespace coffer::simulation
