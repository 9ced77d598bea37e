#include "scan/scanner.h"

#include <fmt/format.h>

#include <algorithm>

#include "scan/detail/classify.h"
#include "scan/detail/file_scan.h"

namespace coffer::scan {

Scanner::Scanner() = default;
Scanner::Scanner(Scanner&&) noexcept = default;
Scanner& Scanner::operator=(Scanner&&) noexcept = default;
Scanner::~Scanner() = default;

void Scanner::begin(const std::string& path) {
  path_ = path;
  head_.clear();
  file_.reset();
}

void Scanner::bytes(ByteView bytes) {
  if (file_) {
    file_->bytes(bytes);
    return;
  }
  head_.insert(head_.end(), bytes.begin(), bytes.end());
  if (head_.size() >= kHeadMax) decide();
}

void Scanner::decide() {
  file_ = choose_scan(path_, ByteView{head_}.first(std::min(head_.size(), kHeadMax)));
  file_->bytes(head_);
  head_.clear();
  head_.shrink_to_fit();
}

void Scanner::end() {
  if (!file_) decide();
  File file = file_->end();
  file_.reset();
  if (proposal_.files.size() == kFilesMax) {
    ++left_out_;
    return;
  }
  file.path = path_;
  const PathFinding finding = look_at_path(path_);
  if (!finding.reason.empty()) {
    file.reason = file.reason.empty() ? finding.reason : finding.reason + "; " + file.reason;
  }
  if (!file.defect.empty()) {
    file.reason = file.reason.empty() ? file.defect : file.defect + "; " + file.reason;
  }
  if (finding.hides || !file.defect.empty()) {
    file.publish = Publish::No;
    file.reason += "; so it is not proposed for publication";
  }
  proposal_.files.push_back(std::move(file));
}

Proposal Scanner::take() && {
  if (left_out_ > 0) {
    proposal_.notes.push_back(
        fmt::format("{} more files are not listed here: a card describes at most {}",
                    render_count(left_out_), render_count(kFilesMax)));
  }
  return std::move(proposal_);
}

}  // namespace coffer::scan
