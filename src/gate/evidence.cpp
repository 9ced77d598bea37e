#include "gate/evidence.h"

#include <zstd.h>

#include <algorithm>

#include "base/wire.h"
#include "gate/detail/cells.h"
#include "gate/detail/inputs.h"
#include "gate/detail/windows.h"

namespace coffer::gate {
namespace {

constexpr std::size_t kSampleBytes = 1U << 20;
constexpr int kSampleLevel = 19;

// The rows of all inputs, and how far zstd packs the first of them.
struct Extent {
  std::uint64_t rows{0};
  std::uint64_t bytes{0};
  std::uint32_t zstd_bits_per_row{0};
};

std::uint32_t packed_bits_per_row(const std::string& sample, std::uint64_t rows) {
  if (rows == 0) return 0;
  std::string packed(ZSTD_compressBound(sample.size()), '\0');
  const std::size_t size =
      ZSTD_compress(packed.data(), packed.size(), sample.data(), sample.size(), kSampleLevel);
  return ZSTD_isError(size) != 0 ? 0 : static_cast<std::uint32_t>(8 * size / rows);
}

Result<Extent> measure(int directory, const std::vector<ProtectedInput>& inputs) {
  Extent extent;
  std::string sample;
  std::uint64_t sampled = 0;
  Visitor visitor;
  visitor.row = [&](std::string_view raw, const std::vector<std::string>&) {
    ++extent.rows;
    extent.bytes += raw.size();
    if (sample.size() >= kSampleBytes) return;
    sample += raw;
    sample += '\n';
    ++sampled;
  };
  visitor.bytes = [&](std::string_view piece) { extent.bytes += piece.size(); };
  COFFER_CHECK(visit_inputs(directory, inputs, visitor));
  extent.zstd_bits_per_row = packed_bits_per_row(sample, sampled);
  return extent;
}

}  // namespace

Result<Evidence> examine(int inputs_directory, const std::vector<ProtectedInput>& inputs,
                         const program::Output& output, const BitString& object) {
  COFFER_CHECK(check_object(output, object));
  COFFER_TRY(const Extent extent, measure(inputs_directory, inputs));
  COFFER_TRY(const ByteFindings bytes, find_copies(inputs_directory, inputs, output, object));
  COFFER_TRY(const CellFindings cells, find_cells(inputs_directory, inputs, output, object));
  return Evidence{.examined = true,
                  .copies_bytes = bytes.copied,
                  .copies_cells = cells.copied,
                  .longest_match = bytes.longest,
                  .cells_matched = cells.cells,
                  .chance_bits = cells.chance_bits,
                  .views = bytes.views,
                  .zstd_bits_per_row = extent.zstd_bits_per_row,
                  .rows_touched = std::max(bytes.rows, cells.rows_touched),
                  .windows_matched = bytes.windows,
                  .rows = extent.rows,
                  .input_bytes = extent.bytes,
                  .view_bytes = bytes.view_bytes};
}

ByteVector evidence_bytes(const Evidence& evidence) {
  WireWriter out;
  out.boolean(evidence.examined).boolean(evidence.copies_bytes).boolean(evidence.copies_cells);
  out.u8(0).u32(evidence.longest_match).u32(evidence.cells_matched).u32(evidence.chance_bits);
  out.u32(evidence.views).u32(evidence.zstd_bits_per_row).u64(evidence.rows_touched);
  out.u64(evidence.windows_matched).u64(evidence.rows).u64(evidence.input_bytes);
  out.u64(evidence.view_bytes);
  ByteVector bytes = std::move(out).take();
  bytes.resize(kEvidenceBytes);
  return bytes;
}

Result<Evidence> parse_evidence(ByteView bytes) {
  if (bytes.size() != kEvidenceBytes) {
    return Error{Code::Corrupt, "an evidence record of another length"};
  }
  WireReader in{bytes};
  Evidence evidence;
  evidence.examined = in.u8() != 0;
  evidence.copies_bytes = in.u8() != 0;
  evidence.copies_cells = in.u8() != 0;
  (void)in.u8();
  evidence.longest_match = in.u32();
  evidence.cells_matched = in.u32();
  evidence.chance_bits = in.u32();
  evidence.views = in.u32();
  evidence.zstd_bits_per_row = in.u32();
  evidence.rows_touched = in.u64();
  evidence.windows_matched = in.u64();
  evidence.rows = in.u64();
  evidence.input_bytes = in.u64();
  evidence.view_bytes = in.u64();
  return evidence;
}

Json evidence_json(const Evidence& evidence) {
  return Json::object({{"examined", evidence.examined},
                       {"private_copy", evidence.private_copy()},
                       {"copies_bytes", evidence.copies_bytes},
                       {"copies_cells", evidence.copies_cells},
                       {"longest_match", evidence.longest_match},
                       {"cells_matched", evidence.cells_matched},
                       {"chance_bits", evidence.chance_bits},
                       {"views", evidence.views},
                       {"zstd_bits_per_row", evidence.zstd_bits_per_row},
                       {"rows_touched", evidence.rows_touched},
                       {"windows_matched", evidence.windows_matched},
                       {"rows", evidence.rows},
                       {"input_bytes", evidence.input_bytes},
                       {"view_bytes", evidence.view_bytes}});
}

std::uint64_t evidence_memory(const std::vector<program::Output>& outputs) {
  constexpr std::uint64_t kFixed = 512ULL << 20;
  std::uint64_t most = 0;
  for (const program::Output& output : outputs) {
    std::uint64_t need = program::object_bits_max(output) / 8;
    if (const auto* table = std::get_if<program::Table>(&output.body)) {
      // The codes of its rows, and two views of all of it at a time.
      need += table->rows_max * (8 * table->columns.size() + 16 * table->columns.size());
    }
    most = std::max(most, need);
  }
  return kFixed + most;
}

}  // namespace coffer::gate
