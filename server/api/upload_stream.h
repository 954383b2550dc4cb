// The chunks of one WriteUpload call, with a time limit on each.
#ifndef ACCLIMATE_SERVER_API_UPLOAD_STREAM_H_
#define ACCLIMATE_SERVER_API_UPLOAD_STREAM_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "acclimate/v1/artifact_service.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

namespace acclimate::api {

// Counts what comes over the time that the server waits for it. What the server itself takes to
// store a chunk is nobody's slowness.
class UploadPace {
 public:
  // So much waiting is judged together.
  static constexpr absl::Duration kWindow = absl::Seconds(30);

  // The least average, in bytes a second; 0: any.
  explicit UploadPace(int64_t min_bytes_per_second, absl::Duration window = kWindow)
      : min_bytes_per_second_(min_bytes_per_second), window_(window) {}

  // How long the next chunk may be waited for.
  absl::Duration Patience() const;
  // False: less than the least rate came over a whole window. `bytes` is 0 where nothing came.
  bool Add(absl::Duration waited, int64_t bytes);

 private:
  int64_t min_bytes_per_second_;
  absl::Duration window_;
  absl::Duration waited_ = absl::ZeroDuration();
  int64_t bytes_ = 0;
};

// Made for one call, and deletes itself when gRPC is done with it: after Finish(), which is called
// once, and not used after it. One thread reads.
class UploadStream : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  explicit UploadStream(UploadPace pace) : pace_(pace) {}

  // Waits for the next chunk, which is valid until the next call; null after the last one.
  // INVALID_ARGUMENT: a message of the stream is no chunk, which gRPC itself takes for the end.
  // ABORTED with UPLOAD_TOO_SLOW: the client sends less than the least rate.
  absl::StatusOr<v1::WriteUploadRequest*> Read();

 private:
  enum class State { kIdle, kReading, kChunk, kEnd };

  ~UploadStream() override = default;
  absl::StatusOr<v1::WriteUploadRequest*> Parse();
  void OnReadDone(bool ok) override;
  void OnDone() override { delete this; }
  bool HasRead() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return state_ != State::kReading; }

  UploadPace pace_;
  grpc::ByteBuffer bytes_;  // gRPC's while kReading
  v1::WriteUploadRequest chunk_;
  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
};

}  // namespace acclimate::api

#endif  // ACCLIMATE_SERVER_API_UPLOAD_STREAM_H_
