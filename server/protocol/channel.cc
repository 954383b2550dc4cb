#include "server/protocol/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace acclimate::protocol {
namespace {

// Waits until `events` hold for the socket; DEADLINE_EXCEEDED when they do not in time.
absl::Status WaitFor(int fd, short events, Instant deadline) {
  while (true) {
    pollfd entry = {fd, events, 0};
    const int ready = poll(&entry, 1, deadline.PollMilliseconds());
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
    if (Instant::Now() >= deadline) {
      return absl::DeadlineExceededError("the other end of the worker channel does not answer");
    }
  }
}

absl::Status Gone() {
  return absl::UnavailableError("the other end of the worker channel has gone");
}

bool MeansGone(int error) { return error == EPIPE || error == ECONNRESET; }

std::array<char, 4> EncodeLength(size_t length) {
  std::array<char, 4> header;
  for (int i = 0; i < 4; ++i) header[i] = static_cast<char>(length >> (8 * i));
  return header;
}

size_t DecodeLength(const std::array<char, 4>& header) {
  size_t length = 0;
  for (int i = 0; i < 4; ++i) length |= size_t{static_cast<unsigned char>(header[i])} << (8 * i);
  return length;
}

// Space for a control message with `count` descriptors.
struct ControlBuffer {
  alignas(cmsghdr) char bytes[CMSG_SPACE(kMaxDescriptorsPerFrame * sizeof(int))];
};

void Attach(msghdr& message, ControlBuffer& buffer, absl::Span<const int> descriptors) {
  const size_t size = descriptors.size() * sizeof(int);
  message.msg_control = buffer.bytes;
  message.msg_controllen = CMSG_SPACE(size);
  cmsghdr* control = CMSG_FIRSTHDR(&message);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(size);
  std::memcpy(CMSG_DATA(control), descriptors.data(), size);
}

void Collect(msghdr& message, std::vector<UniqueFd>& into) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      into.emplace_back(fd);
    }
  }
}

}  // namespace

absl::StatusOr<SocketPair> MakeSocketPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  return SocketPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Channel::Channel(UniqueFd socket, Descriptors descriptors, size_t max_received_bytes)
    : socket_(std::move(socket)),
      descriptors_(descriptors),
      max_received_bytes_(max_received_bytes) {}

absl::Status Channel::Send(const google::protobuf::MessageLite& message,
                           absl::Span<const int> descriptors, Instant deadline) {
  const std::string payload = message.SerializeAsString();
  if (payload.size() > kMaxFrameBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a message of ", payload.size(), " bytes; the limit is ", kMaxFrameBytes));
  }
  if (descriptors.size() > kMaxDescriptorsPerFrame) {
    return absl::ResourceExhaustedError(absl::StrCat(
        descriptors.size(), " files in one message; the limit is ", kMaxDescriptorsPerFrame));
  }
  const auto header = EncodeLength(payload.size());
  absl::MutexLock lock(&send_mutex_);
  return SendBytes(absl::StrCat(absl::string_view(header.data(), header.size()), payload),
                   descriptors, deadline);
}

absl::Status Channel::SendBytes(absl::string_view bytes, absl::Span<const int> descriptors,
                                Instant deadline) {
  while (!bytes.empty()) {
    iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    ControlBuffer control;
    if (!descriptors.empty()) Attach(message, control, descriptors);
    const ssize_t sent = sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(sent);
      descriptors = {};
      continue;
    }
    if (MeansGone(errno)) return Gone();
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (absl::Status status = WaitFor(fd(), POLLOUT, deadline); !status.ok()) return status;
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "sendmsg");
    }
  }
  return absl::OkStatus();
}

// How many bytes came; 0 when none are there yet.
absl::StatusOr<size_t> Channel::ReadSome(char* begin, size_t size) {
  iovec piece = {begin, size};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  // Without a control buffer the kernel drops descriptors before they become ours.
  ControlBuffer control;
  if (descriptors_ == Descriptors::kAccept) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
  }
  ssize_t got;
  do {
    got = recvmsg(fd(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got == 0 || (got < 0 && MeansGone(errno))) return Gone();
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  if (got < 0) return absl::ErrnoToStatus(errno, "recvmsg");
  Collect(message, arriving_);
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return absl::InvalidArgumentError("unexpected file descriptors in a message");
  }
  return got;
}

absl::StatusOr<bool> Channel::Fill(char* begin, size_t size, size_t& filled) {
  while (filled < size) {
    absl::StatusOr<size_t> got = ReadSome(begin + filled, size - filled);
    if (!got.ok()) return got.status();
    if (*got == 0) return false;
    filled += *got;
  }
  return true;
}

absl::StatusOr<bool> Channel::TryReceive(google::protobuf::MessageLite& message) {
  // Never reads past the frame: what follows may carry descriptors of its own.
  absl::StatusOr<bool> whole = Fill(header_.data(), kHeaderBytes, header_filled_);
  if (!whole.ok() || !*whole) return whole;
  const size_t length = DecodeLength(header_);
  if (length > max_received_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame that claims ", length, " bytes; the limit is ", max_received_bytes_));
  }
  payload_.resize(length);
  whole = Fill(payload_.data(), length, payload_filled_);
  if (!whole.ok() || !*whole) return whole;

  header_filled_ = payload_filled_ = 0;
  received_ = std::exchange(arriving_, {});
  if (!message.ParseFromString(payload_)) {
    return absl::InvalidArgumentError("a frame that holds no message");
  }
  return true;
}

absl::Status Channel::Receive(google::protobuf::MessageLite& message, Instant deadline) {
  while (true) {
    const absl::StatusOr<bool> whole = TryReceive(message);
    if (!whole.ok()) return whole.status();
    if (*whole) return absl::OkStatus();
    if (absl::Status status = WaitFor(fd(), POLLIN, deadline); !status.ok()) return status;
  }
}

std::vector<UniqueFd> Channel::TakeDescriptors() { return std::exchange(received_, {}); }

}  // namespace acclimate::protocol
