#include "server/api/upload_stream.h"

#include "absl/time/clock.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "server/base/errors.h"

namespace acclimate::api {

absl::Duration UploadPace::Patience() const {
  return min_bytes_per_second_ > 0 ? window_ - waited_ : absl::InfiniteDuration();
}

bool UploadPace::Add(absl::Duration waited, int64_t bytes) {
  waited_ += waited;
  bytes_ += bytes;
  if (min_bytes_per_second_ <= 0 || waited_ < window_) return true;
  const bool enough = static_cast<double>(bytes_) >=
                      absl::ToDoubleSeconds(waited_) * static_cast<double>(min_bytes_per_second_);
  waited_ = absl::ZeroDuration();
  bytes_ = 0;
  return enough;
}

void UploadStream::OnReadDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  state_ = ok ? State::kChunk : State::kEnd;
}

absl::StatusOr<v1::WriteUploadRequest*> UploadStream::Read() {
  {
    absl::MutexLock lock(&mutex_);
    if (state_ == State::kEnd) return nullptr;
    state_ = State::kReading;
  }
  StartRead(&bytes_);
  while (true) {
    const absl::Time start = absl::Now();
    State state;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(this, &UploadStream::HasRead), pace_.Patience());
      state = state_;
    }
    if (state == State::kEnd) return nullptr;
    const bool came = state == State::kChunk;
    const int64_t bytes = came ? static_cast<int64_t>(bytes_.Length()) : 0;
    if (!pace_.Add(absl::Now() - start, bytes)) {
      return ErrorWithReason(
          v1::UPLOAD_TOO_SLOW,
          "the upload sends less than the server's least rate (--min-upload-rate); go on where "
          "GetUpload says");
    }
    if (came) return Parse();
  }
}

absl::StatusOr<v1::WriteUploadRequest*> UploadStream::Parse() {
  const bool parsed =
      grpc::SerializationTraits<v1::WriteUploadRequest>::Deserialize(&bytes_, &chunk_).ok();
  if (!parsed) return absl::InvalidArgumentError("a message of the stream is no readable chunk");
  return &chunk_;
}

}  // namespace acclimate::api
