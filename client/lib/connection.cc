#include "client/lib/connection.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/proxy.h"

namespace acclimate::client {
namespace {

constexpr absl::Duration kFirstDelay = absl::Milliseconds(50);
constexpr absl::Duration kLongestDelay = absl::Seconds(2);
constexpr absl::Duration kLongestAsked = absl::Seconds(30);  // by a server
// Longer than the five minutes that gRPC servers demand between pings on a quiet connection.
constexpr absl::Duration kKeepalive = absl::Minutes(6);

grpc::ChannelArguments ChannelArguments(const std::string& server, const Credentials& credentials) {
  grpc::ChannelArguments arguments;
  if (StaysOnThisMachine(server)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!credentials.server_name.empty()) {
    arguments.SetSslTargetNameOverride(credentials.server_name);
  }
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, absl::ToInt64Milliseconds(kFirstDelay));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, absl::ToInt64Milliseconds(kLongestDelay));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, absl::ToInt64Milliseconds(kLongestDelay));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, absl::ToInt64Milliseconds(kKeepalive));
  // The retries are ours: gRPC's own would hide how long they take.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Two connections of one process to one address must not share a broken subchannel.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

}  // namespace

Connection::Connection(const ConnectionOptions& options)
    : options_(options),
      channel_(grpc::CreateCustomChannel(options.server,
                                         options.credentials.channel != nullptr
                                             ? options.credentials.channel
                                             : grpc::InsecureChannelCredentials(),
                                         ChannelArguments(options.server, options.credentials))),
      jobs_(v1::JobService::NewStub(channel_)),
      artifacts_(v1::ArtifactService::NewStub(channel_)),
      catalog_(v1::CatalogService::NewStub(channel_)),
      admin_(v1::AdminService::NewStub(channel_)) {}

void Connection::Prepare(grpc::ClientContext& context) const {
  const std::string& token = options_.credentials.token;
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  if (options_.trace) context.AddMetadata(kTraceparent, ToTraceparent(*options_.trace));
}

absl::Duration Connection::Patience() const {
  return reached_ ? options_.reconnect_patience : options_.first_contact_patience;
}

absl::Status Connection::Explained(const absl::Status& failure) const {
  if (!absl::IsUnavailable(failure)) return failure;
  const std::optional<std::string> advice =
      ProxyAdvice(options_.server, [](const char* name) { return std::getenv(name); });
  if (!advice.has_value()) return failure;
  absl::Status explained(failure.code(), absl::StrCat(failure.message(), "; ", *advice));
  failure.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    explained.SetPayload(url, payload);
  });
  return explained;
}

Retry::Retry(const Connection& connection, absl::Notification* cancelled)
    : connection_(connection), cancelled_(cancelled) {
  NoteProgress();
}

void Retry::NoteProgress() {
  last_progress_ = absl::Now();
  delay_ = kFirstDelay;
}

bool Retry::WaitAfter(const absl::Status& failure) {
  if (!IsTransient(failure)) return false;
  if (absl::Now() - last_progress_ >= connection_.Patience()) return false;
  const absl::Duration asked =
      std::min(RetryDelay(failure).value_or(absl::ZeroDuration()), kLongestAsked);
  const absl::Duration wait = std::max(asked, delay_) * absl::Uniform(random_, 1.0, 1.4);
  delay_ = std::min(2 * delay_, kLongestDelay);
  if (cancelled_ != nullptr) return !cancelled_->WaitForNotificationWithTimeout(wait);
  absl::SleepFor(wait);
  return true;
}

}  // namespace acclimate::client
