// Source: DICOM PS3.5 (data elements, transfer syntaxes), PS3.6 (dictionary), PS3.10 (files), and
// PS3.15 annex E for what identifies.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "scan/detail/bytes.h"
#include "scan/detail/file_scan.h"

namespace coffer::scan {
namespace {

struct Known {
  std::uint32_t number;  // group << 16 | element
  std::string_view name;
  Kind kind;
};

constexpr std::array kKnown{
    Known{0x00080012, "InstanceCreationDate", Kind::Date},
    Known{0x00080018, "SOPInstanceUID", Kind::Identifier},
    Known{0x00080020, "StudyDate", Kind::Date},
    Known{0x00080021, "SeriesDate", Kind::Date},
    Known{0x00080022, "AcquisitionDate", Kind::Date},
    Known{0x00080023, "ContentDate", Kind::Date},
    Known{0x00080030, "StudyTime", Kind::Date},
    Known{0x00080050, "AccessionNumber", Kind::Identifier},
    Known{0x00080080, "InstitutionName", Kind::QuasiIdentifier},
    Known{0x00080081, "InstitutionAddress", Kind::QuasiIdentifier},
    Known{0x00080090, "ReferringPhysicianName", Kind::Identifier},
    Known{0x00081010, "StationName", Kind::QuasiIdentifier},
    Known{0x00081030, "StudyDescription", Kind::FreeText},
    Known{0x0008103e, "SeriesDescription", Kind::FreeText},
    Known{0x00081048, "PhysiciansOfRecord", Kind::Identifier},
    Known{0x00081050, "PerformingPhysicianName", Kind::Identifier},
    Known{0x00081070, "OperatorsName", Kind::Identifier},
    Known{0x00081080, "AdmittingDiagnosesDescription", Kind::Sensitive},
    Known{0x00100010, "PatientName", Kind::Identifier},
    Known{0x00100020, "PatientID", Kind::Identifier},
    Known{0x00100030, "PatientBirthDate", Kind::QuasiIdentifier},
    Known{0x00100040, "PatientSex", Kind::QuasiIdentifier},
    Known{0x00101000, "OtherPatientIDs", Kind::Identifier},
    Known{0x00101001, "OtherPatientNames", Kind::Identifier},
    Known{0x00101010, "PatientAge", Kind::QuasiIdentifier},
    Known{0x00101020, "PatientSize", Kind::QuasiIdentifier},
    Known{0x00101030, "PatientWeight", Kind::QuasiIdentifier},
    Known{0x00101040, "PatientAddress", Kind::Identifier},
    Known{0x00101060, "PatientMotherBirthName", Kind::Identifier},
    Known{0x00102154, "PatientTelephoneNumbers", Kind::Identifier},
    Known{0x00102160, "EthnicGroup", Kind::Sensitive},
    Known{0x00102180, "Occupation", Kind::QuasiIdentifier},
    Known{0x001021b0, "AdditionalPatientHistory", Kind::Sensitive},
    Known{0x001021f0, "PatientReligiousPreference", Kind::Sensitive},
    Known{0x00104000, "PatientComments", Kind::FreeText},
    Known{0x00181000, "DeviceSerialNumber", Kind::Identifier},
    Known{0x00181030, "ProtocolName", Kind::FreeText},
    Known{0x0020000d, "StudyInstanceUID", Kind::Identifier},
    Known{0x0020000e, "SeriesInstanceUID", Kind::Identifier},
    Known{0x00200010, "StudyID", Kind::Identifier},
    Known{0x00204000, "ImageComments", Kind::FreeText},
};
constexpr std::uint32_t kTransferSyntax = 0x00020010;
constexpr std::uint32_t kBurnedIn = 0x00280301;
constexpr std::uint32_t kPixelData = 0x7fe00010;
constexpr std::uint32_t kItem = 0xfffee000;
constexpr std::uint32_t kItemEnd = 0xfffee00d;
constexpr std::uint32_t kSequenceEnd = 0xfffee0dd;
constexpr std::uint32_t kUndefined = 0xffffffff;

enum class Syntax : std::uint8_t { ExplicitLittle, ImplicitLittle, Unread };

class Walker {
 public:
  explicit Walker(ByteView data) : bytes_(data) {}

  // Flat over items of sequences: what stands inside one counts like any other element.
  std::vector<Tag> walk() {
    std::size_t at = 132;
    while (const auto next = element(at)) at = *next;
    if (private_ > 0) {
      tags_.push_back(
          {"(private)", Kind::Other,
           fmt::format("{} private elements, whose meaning only the maker knows", private_)});
    }
    return std::move(tags_);
  }

 private:
  struct Head {
    std::uint32_t number;
    std::uint32_t length;
    std::size_t value_at;
    bool sequence;
  };

  std::optional<Head> head(std::size_t at) const {
    const auto group = bytes_.u16(at);
    const auto rest = bytes_.u16(at + 2);
    if (!group || !rest) return {};
    const std::uint32_t number = *group << 16 | *rest;
    // Items have no VR in any syntax; group 2 is always explicit.
    const bool bare = number == kItem || number == kItemEnd || number == kSequenceEnd;
    if (bare || (*group != 2 && syntax_ == Syntax::ImplicitLittle)) {
      const auto length = bytes_.u32(at + 4);
      if (!length) return {};
      return Head{number, *length, at + 8, *length == kUndefined};
    }
    constexpr std::array<std::string_view, 13> kLong{"OB", "OD", "OF", "OL", "OV", "OW", "SQ",
                                                     "SV", "UC", "UN", "UR", "UT", "UV"};
    const auto vr = bytes_.text(at + 4, 2);
    if (std::find(kLong.begin(), kLong.end(), vr) != kLong.end()) {
      const auto length = bytes_.u32(at + 8);
      if (!length) return {};
      return Head{number, *length, at + 12, vr == "SQ" || *length == kUndefined};
    }
    const auto length = bytes_.u16(at + 6);
    if (!length) return {};
    return Head{number, *length, at + 8, false};
  }

  // Where the next element starts; nothing at the end of what can or need be read.
  std::optional<std::size_t> element(std::size_t at) {
    const auto one = head(at);
    if (!one || one->number == kPixelData) return {};
    if ((one->number >> 16) != 2 && syntax_ == Syntax::Unread) {
      tags_.push_back({"(unread)", Kind::Other, "this transfer syntax is not read"});
      return {};
    }
    const bool bare =
        one->number == kItem || one->number == kItemEnd || one->number == kSequenceEnd;
    if (bare || one->sequence) return one->value_at;  // go on inside
    note(one->number, trim(bytes_.text(one->value_at, one->length)));
    return one->value_at + one->length;
  }

  void note(std::uint32_t number, std::string_view value) {
    while (value.ends_with('\0')) value.remove_suffix(1);
    if (number == kTransferSyntax) set_syntax(value);
    if ((number >> 16 & 1) != 0) ++private_;
    if (number == kBurnedIn && value == "YES") {
      tags_.push_back({"BurnedInAnnotation", Kind::Identifier, "text is burned into the picture"});
    }
    const auto known = std::find_if(kKnown.begin(), kKnown.end(),
                                    [&](const Known& k) { return k.number == number; });
    if (known == kKnown.end() || value.empty()) return;
    const std::string name{known->name};
    const bool there =
        std::any_of(tags_.begin(), tags_.end(), [&](const Tag& t) { return t.name == name; });
    if (there) return;
    tags_.push_back(
        {name, known->kind,
         fmt::format("DICOM element ({:04x},{:04x}) is filled", number >> 16, number & 0xffff)});
  }

  void set_syntax(std::string_view uid) {
    if (uid == "1.2.840.10008.1.2") {
      syntax_ = Syntax::ImplicitLittle;
    } else if (uid == "1.2.840.10008.1.2.2" || uid == "1.2.840.10008.1.2.1.99") {
      syntax_ = Syntax::Unread;  // big endian, deflated
    }
  }

  Bytes bytes_;
  Syntax syntax_{Syntax::ExplicitLittle};
  std::uint64_t private_{0};
  std::vector<Tag> tags_;
};

}  // namespace

std::vector<Tag> dicom_tags(ByteView data) { return Walker{data}.walk(); }

}  // namespace coffer::scan
