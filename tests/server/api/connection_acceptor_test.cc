#include "server/api/connection_acceptor.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/server_credentials.h"
#include "gtest/gtest.h"

namespace acclimate::api {
namespace {

using ::testing::HasSubstr;

// A server without services behind an acceptor.
struct Served {
  std::unique_ptr<ConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
};

class ConnectionAcceptorTest : public testing::Test {
 protected:
  Served Serve(const std::string& address, int per_client = 0) {
    auto acceptor = ConnectionAcceptor::Listen(address, per_client, metrics_);
    if (!acceptor.ok()) {
      ADD_FAILURE() << acceptor.status();
      return {};
    }
    grpc::ServerBuilder builder;
    (*acceptor)->AddTo(builder, grpc::InsecureServerCredentials());
    Served served = {*std::move(acceptor), builder.BuildAndStart()};
    served.acceptor->Start();
    return served;
  }
  static bool Reached(const std::string& host, const Served& served) {
    const auto channel = grpc::CreateChannel(absl::StrCat(host, ":", served.acceptor->port()),
                                             grpc::InsecureChannelCredentials());
    return channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Minutes(1)));
  }

  metrics::ServerMetrics metrics_;
};

TEST_F(ConnectionAcceptorTest, TakesTheAddressesThatAHostStandsFor) {
  const Served one = Serve("127.0.0.1:0");
  EXPECT_TRUE(Reached("127.0.0.1", one));
  const Served named = Serve("localhost:0");
  EXPECT_TRUE(Reached("localhost", named));
  const Served all = Serve("0.0.0.0:0");
  EXPECT_TRUE(Reached("127.0.0.1", all));
}

TEST_F(ConnectionAcceptorTest, APortThatIsTakenIsNamed) {
  const Served first = Serve("127.0.0.1:0");
  const std::string address = absl::StrCat("127.0.0.1:", first.acceptor->port());
  const auto second = ConnectionAcceptor::Listen(address, 0, metrics_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
  EXPECT_FALSE(ConnectionAcceptor::Listen("192.0.2.1:0", 0, metrics_).ok())
      << "an address of another machine";
}

TEST_F(ConnectionAcceptorTest, EndsBeforeOrAfterTheServer) {
  Served served = Serve("127.0.0.1:0");
  EXPECT_TRUE(Reached("127.0.0.1", served));
  served.acceptor.reset();
  served.server.reset();
  served = Serve("127.0.0.1:0");
  EXPECT_TRUE(Reached("127.0.0.1", served));
  served.server.reset();
  served.acceptor.reset();
}

}  // namespace
}  // namespace acclimate::api
