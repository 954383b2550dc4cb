// A file descriptor that closes itself.
#ifndef ACCLIMATE_SERVER_ARTIFACTS_FILE_DESCRIPTOR_H_
#define ACCLIMATE_SERVER_ARTIFACTS_FILE_DESCRIPTOR_H_

namespace acclimate::artifacts {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.Release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

}  // namespace acclimate::artifacts

#endif  // ACCLIMATE_SERVER_ARTIFACTS_FILE_DESCRIPTOR_H_
