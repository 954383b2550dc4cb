#include "server/base/config.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/temporary_folder.h"

namespace acclimate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

absl::StatusOr<ServerConfig> Load(const std::vector<std::string>& arguments,
                                  const Variables& variables = {}) {
  return LoadServerConfig(arguments, [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

// What the program says of a configuration that it refuses.
std::string Refusal(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  const auto config = Load(arguments, variables);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

TEST(ConfigTest, AFlagWinsOverTheEnvironmentAndThatOverTheFile) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("config",
                                        "listen = 1.1.1.1:1\n"
                                        "insecure = true\n"
                                        "device = cuda\n"
                                        "slots = 1\n");
  const auto config = Load({"--config", file, "--data-dir=/d", "--slots=3"},
                           {{"ACCLIMATE_SLOTS", "2"}, {"ACCLIMATE_DEVICE", "cpu"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->slots, 3);
  EXPECT_EQ(config->device, "cpu");
  EXPECT_EQ(config->listen, "1.1.1.1:1");
  EXPECT_EQ(config->metrics_listen, ServerConfig().metrics_listen);
}

TEST(ConfigTest, TheFileCanBeNamedInTheEnvironment) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("config", "data-dir = /from-file\n");
  EXPECT_EQ(Load({}, {{"ACCLIMATE_CONFIG", file}})->data_dir, "/from-file");
}

TEST(ConfigTest, ReadsEverySetting) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("config",
                                        "# a comment\n"
                                        "\n"
                                        "  data-dir = \"/var/lib/a b\"  \n"
                                        "job-memory-limit=2GiB\n"
                                        "job-scratch-limit=1GiB\n"
                                        "job-thread-limit=7\n"
                                        "job-time-limit = 90m\n"
                                        "require-sandbox = false\n"
                                        "memory-for-jobs = 6GiB\n"
                                        "priority-age = 2m\n"
                                        "preempt = true\n"
                                        "tenant-max-running = 3\n"
                                        "tenant-max-queued = 12\n"
                                        "tenant-max-stored-bytes = 1GiB\n"
                                        "tenants-file = /t\n"
                                        "tenant-call-rate = 9\n"
                                        "connections-per-client = 11\n"
                                        "streams-per-client = 8\n"
                                        "min-upload-rate = 1KiB\n"
                                        "max-blob-bytes = 512MiB\n"
                                        "min-free-disk-bytes = 4096\n"
                                        "disk-watermark = 0.8\n"
                                        "gc-grace-period = 30m\n"
                                        "gc-interval = 0\n"
                                        "scrub-interval = 48h\n"
                                        "log-level = warning\n"
                                        "drain-timeout = 1.5s\n"
                                        "otlp-endpoint = http://collector:4318\n"
                                        "otlp-sample-ratio = 0.25\n"
                                        "worker = /w\n");
  const auto config = Load({"--config=" + file});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->data_dir, "/var/lib/a b");
  EXPECT_EQ(config->job_memory_limit_bytes, int64_t{2} << 30);
  EXPECT_EQ(config->job_scratch_limit_bytes, int64_t{1} << 30);
  EXPECT_EQ(config->job_thread_limit, 7);
  EXPECT_EQ(config->job_time_limit, absl::Minutes(90));
  EXPECT_FALSE(config->require_sandbox);
  EXPECT_EQ(config->memory_for_jobs_bytes, int64_t{6} << 30);
  EXPECT_EQ(config->priority_age, absl::Minutes(2));
  EXPECT_TRUE(config->preempt);
  EXPECT_EQ(config->tenant_max_running, 3);
  EXPECT_EQ(config->tenant_max_queued, 12);
  EXPECT_EQ(config->tenant_max_stored_bytes, int64_t{1} << 30);
  EXPECT_EQ(config->tenants_file, "/t");
  EXPECT_EQ(config->tenant_call_rate, 9);
  EXPECT_EQ(config->connections_per_client, 11);
  EXPECT_EQ(config->streams_per_client, 8);
  EXPECT_EQ(config->min_upload_rate, 1024);
  EXPECT_EQ(config->max_blob_bytes, int64_t{512} << 20);
  EXPECT_EQ(config->min_free_disk_bytes, 4096);
  EXPECT_EQ(config->disk_watermark, 0.8);
  EXPECT_EQ(config->gc_grace_period, absl::Minutes(30));
  EXPECT_EQ(config->gc_interval, absl::ZeroDuration());
  EXPECT_EQ(config->scrub_interval, absl::Hours(48));
  EXPECT_EQ(config->log_level, LogLevel::kWarning);
  EXPECT_EQ(config->drain_timeout, absl::Milliseconds(1500));
  EXPECT_EQ(config->otlp_endpoint, "http://collector:4318");
  EXPECT_EQ(config->otlp_sample_ratio, 0.25);
  EXPECT_EQ(config->worker, "/w");
}

TEST(ConfigTest, WhatIsNotSaidIsSafe) {
  const auto config = Load({"--data-dir=/d"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->require_sandbox);
  EXPECT_GT(config->job_memory_limit_bytes, int64_t{32} << 20);
  EXPECT_GT(config->job_scratch_limit_bytes, 0);
  EXPECT_GT(config->job_thread_limit, 0);
  EXPECT_GT(config->memory_for_jobs_bytes, config->job_memory_limit_bytes);
  EXPECT_GT(config->tenant_max_queued, 0);
  EXPECT_FALSE(config->preempt);
  EXPECT_GT(config->tenant_call_rate, 0);
  EXPECT_GT(config->connections_per_client, 0);
  EXPECT_GT(config->streams_per_client, 0);
  EXPECT_GT(config->min_upload_rate, 0);
  EXPECT_EQ(Load({"--data-dir=/d", "--job-memory-limit=0"})->job_memory_limit_bytes, 0);
  EXPECT_FALSE(Load({"--data-dir=/d", "--require-sandbox=false"})->require_sandbox);
}

TEST(ConfigTest, EveryErrorNamesItsPlace) {
  EXPECT_THAT(Refusal({"--slots=many", "--data-dir=/d"}),
              AllOf(HasSubstr("--slots"), HasSubstr("many")));
  EXPECT_THAT(Refusal({"--data-dir=/d"}, {{"ACCLIMATE_LISTEN", "nowhere"}}),
              AllOf(HasSubstr("ACCLIMATE_LISTEN"), HasSubstr("nowhere")));
  EXPECT_THAT(Refusal({"--data-dir"}), HasSubstr("--data-dir"));
  EXPECT_THAT(Refusal({}), HasSubstr("--data-dir"));
  EXPECT_THAT(Refusal({"serve"}), HasSubstr("serve"));
  EXPECT_THAT(Refusal({"--config=/nowhere", "--data-dir=/d"}),
              AllOf(HasSubstr("--config"), HasSubstr("/nowhere")));

  const TemporaryFolder folder;
  EXPECT_THAT(Refusal({"--config", folder.path(), "--data-dir=/d"}), HasSubstr(folder.path()));
  const std::string bad_value = folder.Write("bad_value", "# first\nslots = -1\n");
  EXPECT_THAT(Refusal({"--config", bad_value, "--data-dir=/d"}),
              AllOf(HasSubstr(bad_value + ":2"), HasSubstr("slots")));
  const std::string no_value = folder.Write("no_value", "\n\nslots 3\n");
  EXPECT_THAT(Refusal({"--config", no_value, "--data-dir=/d"}), HasSubstr(no_value + ":3"));
  const std::string unknown = folder.Write("unknown", "slot = 3\n");
  EXPECT_THAT(Refusal({"--config", unknown, "--data-dir=/d"}),
              AllOf(HasSubstr(unknown + ":1"), HasSubstr("\"slots\"")));
}

TEST(ConfigTest, BeyondThisMachineOnlyWithAuthentication) {
  for (const char* address :
       {"0.0.0.0:1", "10.0.0.7:1", "[::]:1", "example.org:1", "127.example.org:1"}) {
    const std::string listen = std::string("--listen=") + address;
    EXPECT_THAT(Refusal({"--data-dir=/d", listen}), HasSubstr(address));
    EXPECT_TRUE(Load({"--data-dir=/d", listen, "--access-file=/a"}).ok());
    EXPECT_TRUE(Load({"--data-dir=/d", listen, "--insecure"}).ok());
    EXPECT_FALSE(Load({"--data-dir=/d", listen, "--insecure=false"}).ok());
  }
  for (const char* address : {"127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(Load({"--data-dir=/d", std::string("--listen=") + address}).ok()) << address;
  }
}

TEST(ConfigTest, TheStatusPageIsForThisMachineUnlessAskedFor) {
  const auto shows = [](std::vector<std::string> flags) {
    flags.push_back("--data-dir=/d");
    const auto config = Load(flags);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() && config->ShowsStatusPage();
  };
  const std::string everywhere = "--metrics-listen=0.0.0.0:1";
  EXPECT_TRUE(shows({}));
  EXPECT_TRUE(shows({"--ui=on"}));
  EXPECT_FALSE(shows({"--ui=off"}));
  EXPECT_FALSE(shows({everywhere}));
  EXPECT_FALSE(shows({everywhere, "--access-file=/a"}));
  EXPECT_TRUE(shows({everywhere, "--ui=on", "--access-file=/a"}));
  EXPECT_TRUE(shows({everywhere, "--ui=on", "--insecure"}));
  EXPECT_THAT(Refusal({"--data-dir=/d", everywhere, "--ui=on"}),
              AllOf(HasSubstr("0.0.0.0:1"), HasSubstr("--access-file"), HasSubstr("--insecure")));
}

TEST(ConfigTest, SecuritySettingsFitEachOther) {
  const auto refusal = [](std::vector<std::string> flags) {
    flags.push_back("--data-dir=/d");
    return Refusal(flags);
  };
  EXPECT_THAT(refusal({"--tls-cert=/c"}), HasSubstr("--tls-key"));
  EXPECT_THAT(refusal({"--tls-key=/k"}), HasSubstr("--tls-cert"));
  EXPECT_THAT(refusal({"--tls-client-ca=/a"}), HasSubstr("--tls-cert"));
  EXPECT_THAT(refusal({"--tls-cert=/c", "--tls-key=/k", "--tls-client-ca=/a"}),
              HasSubstr("--access-file"));
  EXPECT_THAT(refusal({"--jwks-file=/j"}), HasSubstr("--jwt-issuer"));
  EXPECT_THAT(refusal({"--jwt-issuer=i", "--jwt-audience=a"}), HasSubstr("--jwks-file"));
  EXPECT_THAT(refusal({"--insecure=perhaps"}), HasSubstr("true or false"));
}

TEST(ConfigTest, HeadersForACollectorNeedACollector) {
  EXPECT_THAT(Refusal({"--data-dir=/d", "--otlp-headers-file=/h"}), HasSubstr("--otlp-endpoint"));
  EXPECT_THAT(Refusal({"--data-dir=/d", "--otlp-sample-ratio=0.5"}), HasSubstr("--otlp-endpoint"));
}

TEST(ConfigTest, AnUnknownFlagIsToldTheNearest) {
  EXPECT_THAT(Refusal({"--lisen=x"}), HasSubstr("\"listen\""));
  EXPECT_THAT(Refusal({"--drain-time=3s"}), HasSubstr("\"drain-timeout\""));
}

TEST(ConfigTest, WrongValuesAreRefused) {
  for (const char* flag : {"--slots=-1",
                           "--slots=1025",
                           "--slots=1.5",
                           "--job-memory-limit=1MiBKiB",
                           "--slots=",
                           "--listen=50051",
                           "--listen=:1",
                           "--listen=a:65536",
                           "--listen=a:-1",
                           "--device=gpu",
                           "--device=cuda:",
                           "--device=cuda:-1",
                           "--worker=",
                           "--job-memory-limit=-1",
                           "--job-memory-limit=1GB",
                           "--job-memory-limit=9999999999GiB",
                           "--max-blob-bytes=KiB",
                           "--job-time-limit=5",
                           "--job-time-limit=-1s",
                           "--job-time-limit=inf",
                           "--metrics-listen=[::1]:9464",
                           "--otlp-sample-ratio=1.5",
                           "--otlp-sample-ratio=nan",
                           "--otlp-sample-ratio=",
                           "--ui=yes",
                           "--log-level=loud"}) {
    const std::string name(flag, std::string(flag).find('='));
    EXPECT_THAT(Refusal({flag, "--data-dir=/d"}), HasSubstr(name + ":")) << flag;
  }
}

TEST(ConfigTest, HelpShowsEachFlagWithItsVariable) {
  const std::string help = ServerHelp();
  for (const char* text : {"--data-dir DIR", "[ACCLIMATE_DATA_DIR]", "--metrics-listen HOST:PORT",
                           "[ACCLIMATE_METRICS_LISTEN]", "default: 20s", "[ACCLIMATE_CONFIG]"}) {
    EXPECT_THAT(help, HasSubstr(text));
  }
}

}  // namespace
}  // namespace acclimate
