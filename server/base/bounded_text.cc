#include "server/base/bounded_text.h"

#include "absl/strings/str_cat.h"

namespace acclimate {
namespace {

constexpr size_t kNoteBytes = 48;  // room for "... (N bytes left out)"

bool ContinuesCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::string BoundedText(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t kept = max_bytes - kNoteBytes;
  // At most three bytes: text that is not UTF-8 is cut where it may be.
  for (int i = 0; i < 3 && kept > 0 && ContinuesCharacter(text[kept]); ++i) --kept;
  return absl::StrCat(text.substr(0, kept), "... (", text.size() - kept, " bytes left out)");
}

}  // namespace acclimate
