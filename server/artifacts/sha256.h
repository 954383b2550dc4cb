// SHA-256 of a stream.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_SHA256_H_
#define ACCLIMATE_SERVER_ARTIFACTS_SHA256_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace acclimate::artifacts {

class Sha256 {
 public:
  Sha256();
  void Update(absl::string_view data);
  // 64 lower-case hex digits; the object is spent.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string Sha256Of(absl::string_view data);
// Reads from offset 0 to `size_bytes`, wherever the descriptor stands. DATA_LOSS when it is
// shorter. `pause`, where there is one, is called after each MiB; false ends it with CANCELLED.
absl::Status HashFile(int fd, int64_t size_bytes, Sha256& hash,
                      const std::function<bool()>& pause = nullptr);

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_SHA256_H_
