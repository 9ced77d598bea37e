#include "gate/detail/cells.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace coffer::gate {
namespace {

constexpr std::size_t kChainMax = 64;  // hits among which an order is looked for
constexpr double kTouchedBits = 20;

double log2_choose(double of, double take) {
  if (take >= of) return 0;
  return (std::lgamma(of + 1) - std::lgamma(take + 1) - std::lgamma(of - take + 1)) / std::log(2.0);
}

bool same_name(std::string_view a, std::string_view b) {
  const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return low(x) == low(y); });
}

double power10(unsigned digits) { return std::pow(10.0, digits); }

double real_of(ScaledNumber number) {
  return static_cast<double>(number.value) / power10(number.digits);
}

// What a column holds, from the card where it says so and from the data.
struct ColumnFacts {
  std::string name;
  std::optional<double> low, high;  // published
  double seen_low{std::numeric_limits<double>::infinity()};
  double seen_high{-std::numeric_limits<double>::infinity()};
  unsigned digits{0};                // the most that a cell has
  std::size_t texts{0};              // published values, 0: none
  bool integer{false};               // published as such
  std::vector<double> log_counts{};  // by form: log2 of the values in its range

  bool is_number() const { return low.has_value() || seen_low <= seen_high; }
  double from() const { return low ? *low : seen_low; }
  double to() const { return high ? *high : seen_high; }
  bool could_hold(double value) const {
    const double slack = 1e-9 * std::max(1.0, std::abs(value));
    return is_number() && value >= from() - slack && value <= to() + slack;
  }
  // An end of the published range is public already.
  bool is_end(double value) const { return (low && *low == value) || (high && *high == value); }
};

std::optional<double> published_number(const Json* column, std::string_view key) {
  if (column == nullptr) return std::nullopt;
  const auto number = number_of_cell(column->text_or(key, ""));
  return number ? std::optional<double>{real_of(*number)} : std::nullopt;
}

ColumnFacts facts_of(const RowsFile& file, std::size_t column) {
  ColumnFacts facts;
  if (column >= file.names.size()) return facts;
  facts.name = file.names[column];
  const Json* published = file.published[column];
  facts.low = published_number(published, "min");
  facts.high = published_number(published, "max");
  if (!facts.low || !facts.high) facts.low = facts.high = std::nullopt;
  if (published != nullptr) {
    facts.integer = published->text_or("type", "") == "integer";
    if (const auto* values = (*published)["values"].as_array()) facts.texts = values->size();
  }
  return facts;
}

double log_count_of(const ColumnFacts& facts, const Form& form) {
  if (form.kind == Form::Kind::Text) {
    return facts.texts > 0 ? std::log2(static_cast<double>(facts.texts)) : 64;
  }
  if (!facts.is_number()) return 0;
  const double range = facts.to() - facts.from();
  const unsigned own = facts.integer ? 0 : facts.digits;
  const unsigned digits = form.kind == Form::Kind::Digits ? std::min(form.digits, own) : own;
  double count = range * power10(digits) + 1;
  if (form.kind == Form::Kind::Scale) count = std::min({count, range / form.scale + 1, 256.0});
  if (form.kind == Form::Kind::Float) {
    const auto floats = count_between(form.format, facts.from(), facts.to());
    count = std::min(count, static_cast<double>(std::max<std::uint64_t>(floats, 1)));
  }
  return std::log2(count);
}

double real_in_form(const Form& form, std::int64_t value) {
  switch (form.kind) {
    case Form::Kind::Digits:
      return static_cast<double>(value) / power10(form.digits);
    case Form::Kind::Float:
      return value_of(form.format, static_cast<std::uint32_t>(value));
    case Form::Kind::Scale:
      return static_cast<double>(value) * form.scale;
    case Form::Kind::Text:
      break;
  }
  return 0;
}

// One value of the output that one cell of the row equals.
struct Hit {
  std::uint32_t value{0};
  std::uint32_t column{0};
  double weight{0};  // -log2 of a chance match
  double ways{0};    // log2 of the columns that could hold the value
  Place place{};
};

bool stands_before(const Hit& a, const Hit& b) {
  return std::tie(a.place.stream, a.place.line) < std::tie(b.place.stream, b.place.line);
}

struct Chance {
  std::uint32_t cells{0};
  double bits{0};
};

// Each value and each column once, the weightiest first.
std::vector<Hit> one_to_one(std::vector<Hit> hits) {
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    return std::make_pair(b.weight - b.ways, b.column) <
           std::make_pair(a.weight - a.ways, a.column);
  });
  FlatMap<char> values;
  FlatMap<char> columns;
  std::vector<Hit> out;
  for (const Hit& hit : hits) {
    if (values.find(hit.value) != nullptr || columns.find(hit.column) != nullptr) continue;
    values[hit.value] = columns[hit.column] = 1;
    out.push_back(hit);
  }
  return out;
}

// Of these, the weightiest that stand in the order of their columns.
std::vector<Hit> in_order(std::vector<Hit> hits) {
  hits.resize(std::min(hits.size(), kChainMax));
  std::sort(hits.begin(), hits.end(), stands_before);
  std::vector<double> best(hits.size());
  std::vector<std::size_t> before(hits.size());
  std::size_t last = 0;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    best[i] = hits[i].weight;
    before[i] = i;
    for (std::size_t j = 0; j < i; ++j) {
      if (hits[j].column >= hits[i].column || !stands_before(hits[j], hits[i])) continue;
      if (best[j] + hits[i].weight <= best[i]) continue;
      best[i] = best[j] + hits[i].weight;
      before[i] = j;
    }
    if (best[i] > best[last]) last = i;
  }
  std::vector<Hit> chain;
  for (std::size_t i = last; !hits.empty(); i = before[i]) {
    chain.push_back(hits[i]);
    if (before[i] == i) break;
  }
  return chain;
}

// The least likely choice of at least kCopyCells of the hits, `values` being in view.
Chance chance_of(const std::vector<Hit>& all, double values, double columns) {
  std::vector<Hit> hits = one_to_one(all);
  Chance best;
  if (hits.size() < kCopyCells) return best;
  const auto better = [&best](std::size_t cells, double bits) {
    if (cells >= kCopyCells && bits > best.bits) best = {static_cast<std::uint32_t>(cells), bits};
  };
  double sum = 0;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    sum += hits[i].weight - hits[i].ways;
    const auto taken = static_cast<double>(i + 1);
    better(i + 1, sum - log2_choose(values, taken));
  }
  std::vector<Hit> chain = in_order(std::move(hits));
  std::sort(chain.begin(), chain.end(),
            [](const Hit& a, const Hit& b) { return a.weight > b.weight; });
  sum = 0;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    sum += chain[i].weight;
    const auto taken = static_cast<double>(i + 1);
    better(i + 1, sum - log2_choose(values, taken) - log2_choose(columns, taken));
  }
  return best;
}

Chance larger(Chance a, Chance b) { return b.bits > a.bits ? b : a; }

// All that may be in view: rows, consecutive values, the whole.
Chance best_chance(const ValueIndex& index, std::vector<Hit> hits, double columns) {
  const auto different = static_cast<double>(index.values());
  Chance best = chance_of(hits, different, columns);
  const auto group = [&](auto begin, auto end, double values) {
    if (static_cast<std::size_t>(end - begin) < kCopyCells) return;
    best = larger(best, chance_of(std::vector<Hit>(begin, end), values, columns));
  };
  std::sort(hits.begin(), hits.end(), stands_before);
  for (auto begin = hits.begin(), end = begin; end != hits.end(); ++begin) {
    const auto is_near = [&](const Hit& hit) {
      return hit.place.stream == begin->place.stream && hit.place.line < begin->place.line + kSpan;
    };
    const auto last = end;
    while (end != hits.end() && is_near(*end)) ++end;
    if (end != last) group(begin, end, std::min(static_cast<double>(kSpan), different));
  }
  std::stable_sort(hits.begin(), hits.end(),
                   [](const Hit& a, const Hit& b) { return a.place.record < b.place.record; });
  for (auto begin = hits.begin(); begin != hits.end() && begin->place.record != kNoRecord;) {
    const auto end = std::find_if(
        begin, hits.end(), [&](const Hit& hit) { return hit.place.record != begin->place.record; });
    group(begin, end, static_cast<double>(index.record_size(begin->place.record)));
    begin = end;
  }
  return best;
}

// Two passes over the data: what its columns hold, then which rows match.
class CellSearch {
 public:
  CellSearch(int directory, const std::vector<ProtectedInput>& inputs, const ValueIndex& index)
      : directory_(directory), inputs_(inputs), index_(index) {}

  Result<CellFindings> run() {
    COFFER_CHECK(learn());
    if (most_in_a_row_ < kCopyCells) return findings_;
    for (FileFacts& file : files_) {
      for (ColumnFacts& column : file.columns) {
        for (const Form& form : index_.forms()) {
          column.log_counts.push_back(log_count_of(column, form));
        }
      }
    }
    COFFER_CHECK(match());
    return findings_;
  }

 private:
  struct FileFacts {
    RowsFile file;
    std::uint64_t rows{0};
    std::vector<ColumnFacts> columns;
    FlatMap<std::uint32_t> holders;  // (column, value): in how many rows
  };
  static std::uint64_t holder(std::size_t column, std::uint32_t value) {
    return std::uint64_t{column} << 32 | value;
  }

  // Calls f(value id, form) for each value of the output that the cell equals.
  template <class F>
  void each_match(const std::string& cell, const std::optional<ScaledNumber>& number, F&& f) const {
    for (std::uint32_t form = 0; form < index_.forms().size(); ++form) {
      if (index_.forms()[form].kind == Form::Kind::Text) {
        if (const auto id = index_.find_text(form, cell)) f(*id, form);
      } else if (number) {
        const auto value = in_form(index_.forms()[form], *number);
        if (!value) continue;
        if (const auto id = index_.find(form, *value)) f(*id, form);
      }
    }
  }

  void learn_row(FileFacts& file, const std::vector<std::string>& cells) {
    ++file.rows;
    while (file.columns.size() < cells.size()) {
      file.columns.push_back(facts_of(file.file, file.columns.size()));
    }
    std::size_t matches = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const auto number = number_of_cell(cells[i]);
      if (number) {
        ColumnFacts& column = file.columns[i];
        const double real = real_of(*number);
        column.seen_low = std::min(column.seen_low, real);
        column.seen_high = std::max(column.seen_high, real);
        column.digits = std::max(column.digits, number->digits);
      }
      bool any = false;
      each_match(cells[i], number, [&](std::uint32_t value, std::uint32_t) {
        ++file.holders[holder(i, value)];
        any = true;
      });
      matches += any ? 1U : 0U;
    }
    most_in_a_row_ = std::max(most_in_a_row_, matches);
  }

  Result<> learn() {
    Visitor visitor;
    visitor.begin_rows = [&](const RowsFile& file) { files_.emplace_back().file = file; };
    visitor.row = [&](std::string_view, const std::vector<std::string>& cells) {
      learn_row(files_.back(), cells);
    };
    return visit_inputs(directory_, inputs_, visitor);
  }

  double ways_of(const FileFacts& file, std::uint32_t form, std::int64_t value) const {
    std::size_t ways = 0;
    const Form& how = index_.forms()[form];
    for (const ColumnFacts& column : file.columns) {
      const bool could = how.kind == Form::Kind::Text ? !column.is_number()
                                                      : column.could_hold(real_in_form(how, value));
      ways += could ? 1U : 0U;
    }
    return std::log2(static_cast<double>(std::max<std::size_t>(ways, 1)));
  }

  void add_hits(const FileFacts& file, std::size_t column, const std::string& cell,
                std::vector<Hit>& hits) const {
    const auto number = number_of_cell(cell);
    const ColumnFacts& facts = file.columns[column];
    if (number && facts.is_end(real_of(*number))) return;
    each_match(cell, number, [&](std::uint32_t value, std::uint32_t form) {
      double weight = facts.log_counts[form];
      const std::uint32_t* holders = file.holders.find(holder(column, value));
      if (holders != nullptr && *holders > kCommonRows) {
        weight = std::min(weight, std::log2(static_cast<double>(file.rows) / *holders));
      }
      const double ways =
          ways_of(file, form, number ? in_form(index_.forms()[form], *number).value_or(0) : 0);
      index_.each_place(value, [&](const Place& place) {
        const Source& source = index_.source(place.source);
        const double least = std::min(weight, source.log_count);
        if (least <= 0) return;
        hits.push_back({value, static_cast<std::uint32_t>(column), least,
                        same_name(source.name, facts.name) ? 0 : ways, place});
      });
    });
  }

  void match_row(const FileFacts& file, const std::vector<std::string>& cells) {
    std::vector<Hit> hits;
    for (std::size_t i = 0; i < cells.size(); ++i) add_hits(file, i, cells[i], hits);
    if (hits.size() < kCopyCells) return;
    const auto columns = static_cast<double>(file.columns.size());
    const Chance chance = best_chance(index_, std::move(hits), columns);
    if (chance.bits > kTouchedBits) ++findings_.rows_touched;
    if (chance.bits > kCopyChanceBits) findings_.copied = true;
    if (chance.bits <= findings_.chance_bits) return;
    findings_.cells = chance.cells;
    findings_.chance_bits = static_cast<std::uint32_t>(chance.bits);
  }

  Result<> match() {
    std::size_t next = 0;
    Visitor visitor;
    visitor.begin_rows = [&](const RowsFile&) { ++next; };
    visitor.row = [&](std::string_view, const std::vector<std::string>& cells) {
      match_row(files_[next - 1], cells);
    };
    return visit_inputs(directory_, inputs_, visitor);
  }

  int directory_;
  const std::vector<ProtectedInput>& inputs_;
  const ValueIndex& index_;
  std::vector<FileFacts> files_;
  std::size_t most_in_a_row_{0};
  CellFindings findings_;
};

}  // namespace

Result<CellFindings> find_cells(int directory, const std::vector<ProtectedInput>& inputs,
                                const program::Output& output, const BitString& object) {
  CellFindings all;
  COFFER_CHECK(each_index(output, object, [&](const ValueIndex& index) -> Result<> {
    if (index.size() < kCopyCells) return {};
    COFFER_TRY(const CellFindings part, CellSearch(directory, inputs, index).run());
    all.copied = all.copied || part.copied;
    all.rows_touched = std::max(all.rows_touched, part.rows_touched);
    if (part.chance_bits > all.chance_bits) {
      all.chance_bits = part.chance_bits;
      all.cells = part.cells;
    }
    return {};
  }));
  return all;
}

}  // namespace coffer::gate
