// Timing for the benchmarks: repeats, samples, and one JSON line a figure for bench/run.py.
//
// A figure is the list of its samples; run.py makes median and spread of them. Work that uses one
// thread is measured in processor time of that thread, so that a busy machine disturbs it less;
// what waits for a disk or for other processes is measured by the clock on the wall.
// Errors: a step that should work and does not ends the program with its message.
// Thread-safety: one thread.
#pragma once

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::bench {

inline double seconds_on(clockid_t clock) {
  timespec now{};
  (void)::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Seconds that `work` took on that clock.
template <class Work>
double timed(clockid_t clock, Work&& work) {
  const double begin = seconds_on(clock);
  work();
  return seconds_on(clock) - begin;
}

inline void print_figure(std::string_view name, std::string_view unit,
                         const std::vector<double>& samples) {
  fmt::print("{{\"name\":\"{}\",\"unit\":\"{}\",\"samples\":[{:.6g}]}}\n", name, unit,
             fmt::join(samples, ","));
  (void)std::fflush(stdout);
}

// `amount` of work a second (or `unit`), once for each repeat. The first repeat warms caches and
// is not counted.
template <class Work>
void measure_rate(std::string_view name, std::string_view unit, double amount, int repeats,
                  clockid_t clock, Work&& work) {
  std::vector<double> samples;
  work();
  for (int i = 0; i < repeats; ++i) samples.push_back(amount / timed(clock, work));
  print_figure(name, unit, samples);
}

inline double percentile(std::vector<double> samples, double part) {
  std::sort(samples.begin(), samples.end());
  const auto last = static_cast<double>(samples.size() - 1);
  return samples[static_cast<std::size_t>(std::lround(part * last))];
}

[[noreturn]] inline void fail(const Error& error) {
  fmt::print(stderr, "bench: {} [{}] {}\n", error.message, error.rule, error.detail);
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error());
  return *std::move(result);
}
inline void must(const Result<>& result) {
  if (!result) fail(result.error());
}

}  // namespace coffer::bench
