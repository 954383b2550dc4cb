#include "server/artifacts/sha256.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/artifacts/file_system.h"

namespace acclimate::artifacts {

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Sha256::Update(absl::string_view data) {
  EVP_DigestUpdate(context_.get(), data.data(), data.size());
}

std::string Sha256::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(context_.get(), digest, &length);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), length));
}

std::string Sha256Of(absl::string_view data) {
  Sha256 hash;
  hash.Update(data);
  return hash.Finish();
}

absl::Status HashFile(int fd, int64_t size_bytes, Sha256& hash,
                      const std::function<bool()>& pause) {
  std::string buffer(1 << 20, '\0');
  for (int64_t offset = 0; offset < size_bytes;) {
    const size_t wanted =
        static_cast<size_t>(std::min<int64_t>(size_bytes - offset, buffer.size()));
    const ssize_t got = pread(fd, buffer.data(), wanted, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", "the file to hash it");
    if (got == 0) {
      return absl::DataLossError(
          absl::StrCat("the file ends at byte ", offset, ", not at ", size_bytes));
    }
    hash.Update(absl::string_view(buffer.data(), static_cast<size_t>(got)));
    offset += got;
    if (pause && !pause()) return absl::CancelledError("told to stop hashing");
  }
  return absl::OkStatus();
}

}  // namespace acclimate::artifacts
