#include "gate/detail/windows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>

namespace coffer::gate {
namespace {

constexpr std::size_t kBlockBytes = 16;
constexpr std::size_t kBlocksMax = 4U << 20;          // indexed at a time: 64 MiB of rows
constexpr std::size_t kCandidatesMax = 1U << 20;      // windows sought at a time
constexpr std::size_t kSmallObjectBytes = 16U << 10;  // sought directly
constexpr std::size_t kTrigramsMin = 13;
constexpr std::size_t kFreeBytesMin = 8;  // of a window, outside declared texts
constexpr std::uint32_t kLongestMax = 65'535;
static_assert(kCopyBytes == 2 * kBlockBytes - 1);

std::uint64_t load8(const char* from) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::uint64_t mix_block(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t mixed = (a ^ std::rotl(b * 0x9e3779b97f4a7c15, 29)) * 0xbf58476d1ce4e5b9;
  return mixed ^ mixed >> 32;
}
std::uint64_t hash_block(const char* bytes) { return mix_block(load8(bytes), load8(bytes + 8)); }
// Of the same bytes, read backwards.
std::uint64_t hash_backwards(const char* bytes) {
  return mix_block(__builtin_bswap64(load8(bytes + 8)), __builtin_bswap64(load8(bytes)));
}

// A set of bits that says no quickly.
class Filter {
 public:
  explicit Filter(std::size_t items_max) {
    std::size_t bits = 1U << 16;
    while (bits < 16 * items_max) bits *= 2;
    words_.assign(bits / 64, 0);
  }
  void add(std::uint64_t hash) { words_[word(hash)] |= bit(hash); }
  bool may_have(std::uint64_t hash) const { return (words_[word(hash)] & bit(hash)) != 0; }

 private:
  std::size_t word(std::uint64_t hash) const {
    return static_cast<std::size_t>(hash >> 6) & (words_.size() - 1);
  }
  static std::uint64_t bit(std::uint64_t hash) { return 1ULL << (hash & 63); }
  std::vector<std::uint64_t> words_;
};

// The two forms of a row, each at most once, or a piece of another file.
template <class F>
void each_form(std::string_view raw, const std::vector<std::string>& cells, F&& take) {
  take(raw);
  if (const std::string canonical = canonical_row(cells); canonical != raw) take(canonical);
}

bool has_free_bytes(const View& view, std::size_t at) {
  if (view.labels.empty()) return true;
  const std::string_view part = view.labels.substr(at, kCopyBytes);
  return static_cast<std::size_t>(std::count(part.begin(), part.end(), '0')) >= kFreeBytesMin;
}

// Windows of views that may stand in the data, and then how often they do.
class Candidates {
 public:
  Candidates() : filter_(kCandidatesMax) {}
  bool full() const { return found_.size() >= kCandidatesMax; }
  bool empty() const { return found_.size() == 0; }

  // Adds a window of a view as it stands and backwards.
  void add(const View& view, std::size_t at) {
    const char* bytes = view.bytes.data() + at;
    if (says_little(bytes) || !has_free_bytes(view, at)) return;
    add(hash_window(bytes));
    std::array<char, kCopyBytes> back{};
    std::reverse_copy(bytes, bytes + kCopyBytes, back.begin());
    add(hash_window(back.data()));
  }
  void clear() {
    found_.clear();
    filter_ = Filter{kCandidatesMax};
  }

  // Counts the windows of one form of row `number`.
  void count(std::string_view form, std::uint64_t number) {
    each_hit(form, [&](std::size_t, Count& count) {
      if (count.last_row == number) return;
      count.last_row = number;
      ++count.rows;
    });
  }
  // Calls f(position, count) for each candidate that stands in the form.
  template <class F>
  void each_hit(std::string_view form, F&& f) {
    for (std::size_t at = 0; at + kCopyBytes <= form.size(); ++at) {
      const WindowHash hash = hash_window(form.data() + at);
      if (!filter_.may_have(hash.first)) continue;
      Count* count = found_.find(hash.first);
      if (count != nullptr && count->second == hash.second) f(at, *count);
    }
  }
  static bool is_rare(std::uint32_t rows) { return rows > 0 && rows <= kCommonRows; }
  std::uint64_t rare_windows() const {
    std::uint64_t rare = 0;
    found_.each([&](std::uint64_t, const Count& count) { rare += is_rare(count.rows) ? 1U : 0U; });
    return rare;
  }

  struct Count {
    std::uint64_t second{0};
    std::uint64_t last_row{0};
    std::uint32_t rows{0};
  };

 private:
  void add(const WindowHash& hash) {
    if (found_.find(hash.first) != nullptr) return;
    found_[hash.first].second = hash.second;
    filter_.add(hash.first);
  }
  FlatMap<Count> found_;
  Filter filter_;
};

// Calls f(form, number) for each form of each row; an occurrence in another file counts as a row of
// its own, so there every position has its number.
class Search {
 public:
  Search(int directory, const std::vector<ProtectedInput>& inputs, const program::Output& output,
         const BitString& object)
      : directory_(directory), inputs_(inputs), output_(output), object_(object) {}

  Result<ByteFindings> run() {
    if (object_.bytes.size() <= kSmallObjectBytes) {
      COFFER_CHECK(seek_in_views(nullptr));
    } else {
      COFFER_CHECK(seek_by_blocks());
    }
    findings_.views = static_cast<std::uint32_t>(ids_.size());
    return findings_;
  }

 private:
  using Blocks = FlatMap<char>;

  // Indexes the data part by part, and looks for each part's blocks in all views.
  Result<> seek_by_blocks() {
    Blocks blocks;
    Result<> state;
    const auto index = [&](std::string_view form) {
      for (std::size_t at = 0; at + kBlockBytes <= form.size(); at += kBlockBytes) {
        blocks[hash_block(form.data() + at)] = 1;
      }
      if (blocks.size() < kBlocksMax || !state || findings_.copied) return;
      state = seek_in_views(&blocks);
      blocks.clear();
    };
    COFFER_CHECK(visit_forms([&](std::string_view form, bool) { index(form); }));
    COFFER_CHECK(std::move(state));
    if (blocks.size() > 0 && !findings_.copied) COFFER_CHECK(seek_in_views(&blocks));
    return {};
  }

  // Looks for the windows of all views (with `blocks`: of those that hold one of them) in the data.
  Result<> seek_in_views(const Blocks* blocks) {
    Candidates candidates;
    Filter filter{blocks != nullptr ? blocks->size() : 1};
    if (blocks != nullptr) {
      blocks->each([&](std::uint64_t hash, char) { filter.add(hash); });
    }
    Result<> state;
    const bool first_time = ids_.empty();
    each_view(output_, object_, [&](const View& view) {
      if (first_time) {
        ids_.insert(view.id);
        findings_.view_bytes += view.bytes.size();
      }
      std::size_t next = 0;  // windows before were looked at
      for (std::size_t at = 0; at + kBlockBytes <= view.bytes.size(); ++at) {
        if (blocks != nullptr) {
          const std::uint64_t there = hash_block(view.bytes.data() + at);
          const std::uint64_t back = hash_backwards(view.bytes.data() + at);
          const auto is_block = [&](std::uint64_t hash) {
            return filter.may_have(hash) && blocks->find(hash) != nullptr;
          };
          if (!is_block(there) && !is_block(back)) continue;
        }
        const std::size_t reach = blocks != nullptr ? kCopyBytes - kBlockBytes : 0;
        next = std::max(next, at - std::min(at, reach));
        for (; next <= at && next + kCopyBytes <= view.bytes.size(); ++next) {
          candidates.add(view, next);
        }
        if (!candidates.full()) continue;
        state = count_in_data(candidates);
        if (!state || findings_.copied) return false;
        candidates.clear();
      }
      return true;
    });
    COFFER_CHECK(std::move(state));
    return candidates.empty() || findings_.copied ? Result<>{} : count_in_data(candidates);
  }

  Result<> count_in_data(Candidates& candidates) {
    std::uint64_t number = 0;
    COFFER_CHECK(visit_forms(
        [&](std::string_view form, bool is_new_row) {
          number += is_new_row ? 1 : 0;
          candidates.count(form, number);
        },
        [&](std::string_view piece) {
          candidates.each_hit(piece, [](std::size_t, Candidates::Count& count) { ++count.rows; });
        }));
    findings_.windows = candidates.rare_windows();
    if (findings_.windows == 0) return {};
    findings_.copied = true;
    return measure(candidates);
  }

  // The longest run of windows that count, and the rows that have any.
  Result<> measure(Candidates& candidates) {
    std::uint64_t row_seen = 0;
    std::uint64_t number = 0;
    const auto look = [&](std::string_view form) {
      std::size_t last = 0;
      std::uint32_t run = 0;
      bool any = false;
      candidates.each_hit(form, [&](std::size_t at, Candidates::Count& count) {
        if (!Candidates::is_rare(count.rows)) return;
        run = any && at == last + 1 ? run + 1 : static_cast<std::uint32_t>(kCopyBytes);
        last = at;
        any = true;
        findings_.longest = std::max(findings_.longest, std::min(run, kLongestMax));
      });
      return any;
    };
    return visit_forms(
        [&](std::string_view form, bool is_new_row) {
          number += is_new_row ? 1 : 0;
          if (!look(form) || row_seen == number) return;
          row_seen = number;
          ++findings_.rows;
        },
        [&](std::string_view piece) { (void)look(piece); });
  }

  template <class F, class G>
  Result<> visit_forms(F&& form, G&& piece) {
    Visitor visitor;
    visitor.row = [&](std::string_view raw, const std::vector<std::string>& cells) {
      bool is_new = true;
      each_form(raw, cells, [&](std::string_view text) {
        form(text, is_new);
        is_new = false;
      });
    };
    visitor.bytes = [&](std::string_view bytes) { piece(bytes); };
    return visit_inputs(directory_, inputs_, visitor);
  }
  template <class F>
  Result<> visit_forms(F&& form) {
    return visit_forms(form, [&](std::string_view piece) { form(piece, true); });
  }

  int directory_;
  const std::vector<ProtectedInput>& inputs_;
  const program::Output& output_;
  const BitString& object_;
  ByteFindings findings_;
  std::set<std::uint32_t> ids_;
};

}  // namespace

WindowHash hash_window(const char* bytes) {
  const std::uint64_t a = load8(bytes);
  const std::uint64_t b = load8(bytes + 8);
  const std::uint64_t c = load8(bytes + 16);
  const std::uint64_t d = load8(bytes + kCopyBytes - 8);
  const std::uint64_t first =
      spread(a + spread(b ^ 0x9e3779b97f4a7c15)) ^ spread(c + spread(d + 1));
  const std::uint64_t second =
      spread(a * 0x9fb21c651e98df25 ^ b) + spread(c * 0xd6e8feb86659fd93 ^ d);
  return {first * 0xa0761d6478bd642f, second};
}

bool says_little(const char* bytes) {
  std::array<std::uint32_t, kCopyBytes - 2> runs{};
  std::size_t different = 0;
  for (std::size_t i = 0; i < runs.size() && different < kTrigramsMin; ++i) {
    const auto byte = [&](std::size_t at) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i + at]));
    };
    runs[i] = byte(0) << 16 | byte(1) << 8 | byte(2);
    const auto end = runs.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(runs.begin(), end, runs[i]) == end) ++different;
  }
  return different < kTrigramsMin;
}

Result<ByteFindings> find_copies(int directory, const std::vector<ProtectedInput>& inputs,
                                 const program::Output& output, const BitString& object) {
  return Search{directory, inputs, output, object}.run();
}

}  // namespace coffer::gate
