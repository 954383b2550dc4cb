// A file descriptor that closes itself.
#ifndef ACCLIMATE_SERVER_PROTOCOL_UNIQUE_FD_H_
#define ACCLIMATE_SERVER_PROTOCOL_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace acclimate::protocol {

class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace acclimate::protocol

#endif  // ACCLIMATE_SERVER_PROTOCOL_UNIQUE_FD_H_
