// SPDX-License-Identifier: MIT
// The published schemas against documents that they must take and documents that they must not.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "document/schema.hpp"
#include "document/schema_texts.hpp"

namespace anyvisor {
namespace {

struct Example {
  const char* schema;
  bool accepted;
  const char* text;
};

#define UUID "01890a5d-ac96-774b-bcce-b302099a8057"
#define MAC "52:54:00:12:34:56"
#define MACHINE_HEAD R"("id":")" UUID R"(","name":"web-1","folder":"/h/i","cpus":2,)"
#define KERNEL R"("boot":{"method":"kernel","kernel":"/h/i/kernel"})"

const Example examples[] = {
    {"machine", true, "{" MACHINE_HEAD R"("memory":{"size":1073741824,"backing":"memfd"},)" KERNEL "}"},
    {"machine", true, "{" MACHINE_HEAD R"("memory":{"size":1073741824,"backing":"memfd","hotplug_size":0},
       "boot":{"method":"firmware","firmware":"uefi","variables":"/h/i/nvram.fd"},
       "disks":[{"id":"root","path":"/h/disks/a.qcow2","format":"qcow2","read_only":false,
                 "chain":[{"path":"/h/disks/a.qcow2","format":"qcow2"},{"path":"/h/disks/b.raw","format":"raw"}]}],
       "identity":{"smbios_uuid":")" UUID R"(","vmgenid":")" UUID R"("},"hardware":{"machine":"pc-q35-7.2"}})"},
    {"machine", true, "{" MACHINE_HEAD KERNEL R"(,"memory":{"size":1073741824},
       "volumes":[{"id":"v1","path":"/v.raw","format":"raw","read_only":true,"shared":true},
                  {"id":"v2","path":"/v.raw","format":"raw","overlay":{"path":"/o.qcow2","format":"qcow2","size":4096}}],
       "mounts":[{"id":"m1","source":"/home/me/src","tag":"src","target":"/src","read_only":true}],
       "devices":[{"id":"d1","kind":"vfio","address":"0000:3b:00.1"},{"id":"d2","kind":"mdev","uuid":")" UUID R"("}],
       "limits":{"disk_io_bps":1000000,"network_up_bps":0,"network_down_bps":125000},
       "config_disk":{"path":"/h/i/seed.iso","format":"raw","label":"cidata"},"vsock":{"cid":7,"optional":true},
       "something_of_a_later_version":[1,2,3]})"},
    {"machine", false, "{}"},
    {"machine", false, "{" MACHINE_HEAD R"("memory":{"size":1073741825},)" KERNEL "}"},
    {"machine", false, "{" MACHINE_HEAD R"("memory":{"size":"1G"},)" KERNEL "}"},
    {"machine", false, "{" MACHINE_HEAD R"("memory":{"size":1073741824},"boot":{"method":"kernel"}})"},
    {"machine", false, "{" MACHINE_HEAD R"("memory":{"size":1073741824},"boot":{"method":"firmware","kernel":"/k"}})"},
    {"machine", false, "{" MACHINE_HEAD R"("memory":{"size":1073741824},"boot":{"method":"pxe","kernel":"/k"}})"},
    {"machine", false, "{" MACHINE_HEAD R"("memory":{"size":1073741824},"boot":{"method":"kernel","kernel":"k"}})"},
    {"machine", false,
     "{" MACHINE_HEAD KERNEL
     R"(,"memory":{"size":1073741824},"disks":[{"id":"root","path":"a.qcow2","format":"qcow2"}]})"},
    {"machine", false, "{" MACHINE_HEAD KERNEL R"(,"memory":{"size":1073741824},"vsock":{"cid":2}})"},
    {"machine", false,
     "{" MACHINE_HEAD KERNEL
     R"(,"memory":{"size":1073741824},"devices":[{"id":"d","kind":"vfio","address":"3b:00.1"}]})"},
    {"machine", false, R"({"id":"web","name":"web","folder":"/h","cpus":1,"memory":{"size":1073741824},)" KERNEL "}"},
    {"machine", false,
     R"({"id":")" UUID R"(","name":"Web_1","folder":"/h","cpus":1,"memory":{"size":1073741824},)" KERNEL "}"},
    {"machine", false,
     R"({"id":")" UUID R"(","name":"web","folder":"/h","cpus":0,"memory":{"size":1073741824},)" KERNEL "}"},

    {"endpoint", true,
     R"({"id":"net0","plugin":"user-network","mac":")" MAC R"(","mode":"user","restrict":true,"publish":[
        {"protocol":"tcp","host_address":"127.0.0.1","host_port":2222,"guest_port":22}],"addresses":["10.0.2.15"]})"},
    {"endpoint", true,
     R"({"id":"net0","plugin":"bridge","mac":")" MAC R"(","mode":"tap","tap":{"name":"tap0","fd":9}})"},
    {"endpoint", false, R"({"id":"net0","plugin":"bridge","mac":")" MAC R"(","mode":"tap"})"},
    {"endpoint", false, R"({"id":"net0","plugin":"bridge","mac":"53:54:00:12:34:56","mode":"user"})"},
    {"endpoint", false, R"({"id":"net0","plugin":"bridge","mac":"52:54:00:12:34","mode":"user"})"},
    {"endpoint", false,
     R"({"id":"net0","plugin":"x","mac":")" MAC R"(","mode":"user","publish":[{"host_port":1,"guest_port":0}]})"},
    {"endpoint", false,
     R"({"id":"net0","plugin":"x","mac":")" MAC R"(","mode":"user","publish":[{"host_port":65536,"guest_port":1}]})"},
    {"endpoint-request", true,
     R"({"instance":{"id":")" UUID R"(","name":"web"},"endpoint":{"id":"net0","plugin":"user-network","mac":")" MAC
     R"(","restrict":false,"publish":[{"guest_port":22,"host_port":0}]}})"},
    {"endpoint-request", false, R"({"instance":{"id":")" UUID R"(","name":"web"}})"},

    {"capability-report", true,
     R"({"capabilities":{"pause":{"answer":"yes"},"save":{"answer":"no","reason":"not made yet"},
        "vfio":{"answer":"needs","reason":"an IOMMU"},"teleport":{"answer":"no","reason":"physics"}},
        "vmm":{"name":"sleep","version":"9.1","path":"/bin/sleep"},"accelerator":{"name":"tcg","reason":"no /dev/kvm"},
        "disks":"local","disk_formats":["qcow2","raw"],"fused_hops":[["standby","running"]],"limits":{"cpus":255}})"},
    {"capability-report", false, R"({"capabilities":{"save":{"answer":"no"}}})"},
    {"capability-report", false, R"({"capabilities":{"save":{"answer":"no","reason":""}}})"},
    {"capability-report", false, R"({"capabilities":{"save":{"answer":"perhaps","reason":"x"}}})"},
    {"capability-report", false, R"({"capabilities":{"teleport":{"answer":"perhaps","reason":"x"}}})"},
    {"capability-report", false, R"({"capabilities":{},"fused_hops":[["standby"]]})"},
    {"capability-report", false, R"({"capabilities":{},"disks":"far"})"},
    {"capability-report", false, R"({})"},

    {"image-request", true, R"({"reference":"./debian.qcow2"})"},
    {"image-request", true,
     R"({"reference":"","folder":"/h/staging/x","name":"tiny","format":"","digest":"","kernel":"/t/tiny.elf","initrd":"",
        "command_line":"console=ttyS0","firmware":"","limit_bytes":1099511627776})"},
    {"image-request", false, R"({"reference":"a","digest":"md5:1234"})"},
    {"image-request", false, R"({"reference":"a","folder":"here"})"},
    {"image-request", false, R"({"reference":7})"},
    {"image-manifest", true, R"({"name":"tiny","kernel":{"file":"kernel"},"command_line":"a={hostname}"})"},
    {"image-manifest", true,
     R"({"disk":{"file":"disk.qcow2","format":"qcow2","virtual_size":2147483648},"firmware":"uefi","digest":
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"})"},
    {"image-manifest", false, R"({"name":"nothing"})"},
    {"image-manifest", false, R"({"kernel":{"file":"../../etc/passwd"}})"},
    {"image-manifest", false, R"({"disk":{"file":"d","format":"qcow2"}})"},
    {"image-manifest", false, R"({"disk":{"file":"d","format":"floppy","virtual_size":1}})"},

    {"accelerator-probe", true,
     R"({"key":"qemu 7.2.9","candidate":{"name":"kvm","argv":["qemu-system-x86_64","-accel","kvm"],"marker":"ok"},
        "baseline":{"name":"tcg","argv":["qemu-system-x86_64"],"marker":"ok"},"limit_ms":2000})"},
    {"accelerator-probe", true, R"({"key":"k","candidate":{"name":"kvm","argv":["cloud-hypervisor"],"marker":"ok"}})"},
    {"accelerator-probe", false,
     R"({"key":"k","baseline":{"name":"tcg","argv":["qemu-system-x86_64"],"marker":"ok"}})"},
    {"accelerator-probe", true, R"({"usable":false,"reason":"100 times slower than tcg","cached":true})"},
    {"accelerator-probe", false, R"({"usable":false})"},
    {"accelerator-probe", false,
     R"({"key":"k","candidate":{"name":"kvm","argv":[]},"baseline":{"name":"t","argv":["t"]}})"},

    {"disk-action", true, R"({"action":"import","disk":"web","path":"/a.raw","format":"raw"})"},
    {"disk-action", true, R"({"action":"list"})"},
    {"disk-action", false, R"({"action":"resize","disk":"web"})"},
    {"disk-action", false, R"({"action":"defragment"})"},

    {"device", true, R"({"kind":"disk","id":"d1","path":"/a.raw","format":"raw"})"},
    {"device", true, R"({"kind":"nic","id":"net1","mac":")" MAC R"(","mode":"user"})"},
    {"device", true,
     R"({"kind":"volume","id":"v","path":"/v","format":"raw","overlay":{"path":"/o","format":"qcow2","size":1024}})"},
    {"device", true, R"({"kind":"mount","id":"m","source":"/src","tag":"src"})"},
    {"device", true, R"({"kind":"vfio","id":"g","address":"0000:01:00.0"})"},
    {"device", true, R"({"kind":"mdev","id":"g","uuid":")" UUID R"("})"},
    {"device", true, R"({"kind":"vsock","id":"vs","cid":3})"},
    {"device", false, R"({"kind":"vsock","id":"vs"})"},
    {"device", false, R"({"kind":"mount","id":"m","source":"src","tag":"src"})"},
    {"device", false, R"({"kind":"teapot","id":"t"})"},
    {"device", false, R"({"id":"d1","path":"/a.raw","format":"raw"})"},

    {"save-reply", true,
     R"({"state":"standby","device_state":{"file":"devices","size":100000},"memory":{"size":1073741824,"backing":"memfd"},
        "vmm":{"name":"qemu","version":"7.2.9"},"machine_type":"pc-q35-7.2","hardware":{}})"},
    {"save-reply", false, R"({"state":"standby"})"},
    {"save-reply", false, R"({"state":"standby","device_state":{"file":"a/b","size":1}})"},

    {"instance-spec", true,
     R"({"name":"web","image":"debian","backend":"qemu","cpus":1,"memory":1073741824,"disk":0,"firmware":"automatic",
        "command_line":"","networks":[{"plugin":"user-network","restrict":false,"publish":[{"guest_port":22}]}]})"},
    {"instance-spec", false, R"({"name":"-web","cpus":1,"memory":1073741824})"},
    {"instance-spec", false, R"({"name":"web-","cpus":1,"memory":1073741824})"},
    {"instance-spec", false, R"({"name":"web","cpus":1,"memory":1000})"},
    {"instance-spec", false, R"({"name":"web","cpus":-1,"memory":1073741824})"},

    {"plugin-descriptor", true,
     R"({"path":"/p/anyvisor-a.so","id":"a","version":"0.1.0","summary":"","license":"MIT","abi":"0.1",
        "interfaces":["anyvisor.backend/draft-1"],"settings_schema":null})"},
    {"plugin-descriptor", true, R"({"path":"/p/x.so","error":{"kind":"unsupported","message":"another ABI"}})"},
    {"plugin-descriptor", false, R"({"path":"/p/x.so"})"},
    {"plugin-descriptor", false, R"({"path":"/p/x.so","error":{"kind":"oops","message":"x"}})"},
    {"plugin-descriptor", false, R"({"path":"/p/x.so","id":"A","version":"1","abi":"0.1","interfaces":[]})"},

    {"state-reply", true, R"({"state":"running","reason":"booted","hardware":{"a":1}})"},
    {"state-reply", false, R"({"state":"Running"})"},
    {"state-reply", false, R"({"reason":"none"})"},
    {"run-reply", true, R"({"status":143,"output":"","errors":"killed"})"},
    {"run-reply", false, R"({"status":-1,"output":"","errors":""})"},
    {"error", true, R"({"kind":"not_found","message":"no such image","field":"/image","hint":"","retry":false})"},
    {"error", true, R"({"kind":"declined","message":"not mine"})"},
    {"error", false, R"({"kind":"ok","message":"fine"})"},
    {"error", false, R"({"kind":"internal","message":""})"},
    {"error", false, R"({"kind":"internal","message":"x","field":"image"})"},
};

TEST(Schemas, TakeWhatIsRightAndNothingElse) {
  std::map<std::string, int> seen;
  for (const auto& example : examples) {
    json::Document document;
    document.Parse(example.text);
    ASSERT_FALSE(document.HasParseError()) << example.text;
    auto checked = json::check_schema(document, example.schema);
    EXPECT_EQ(checked.has_value(), example.accepted) << example.schema << ": " << example.text << "\n"
                                                     << (checked ? "" : checked.error().message);
    if (!checked) {
      EXPECT_EQ(checked.error().kind, ErrorKind::invalid_argument) << checked.error().message;
    }
    seen[example.schema] |= example.accepted ? 1 : 2;
  }
  for (const auto& [name, text] : json::schema_texts())
    EXPECT_EQ(seen[std::string(name)], 3) << name << " needs an example that it takes and one that it does not";
  EXPECT_EQ(seen.size(), json::schema_texts().size());
}

TEST(Schemas, NameTheFieldThatIsWrong) {
  json::Document document;
  document.Parse(R"({"id":"net0","plugin":"x","mac":")" MAC R"(","mode":"user","publish":[{"guest_port":99999}]})");
  auto checked = json::check_schema(document, "endpoint");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().field, "/publish/0/guest_port");
}

// They cannot refer to each other's files, so what they share stands in several: it must not drift apart.
TEST(Schemas, SharedDefinitionsAreTheSameEverywhere) {
  std::map<std::string, std::pair<std::string, std::string>> first;  // definition > {schema, text}
  for (const auto& [name, text] : json::schema_texts()) {
    json::Document schema;
    schema.Parse(text.data(), text.size());
    ASSERT_FALSE(schema.HasParseError()) << name;
    EXPECT_FALSE(json::string_or(schema, "title").empty()) << name;
    EXPECT_EQ(json::string_or(schema, "$schema"), "http://json-schema.org/draft-04/schema#") << name;
    const json::Value* definitions = json::object_or_null(schema, "definitions");
    if (!definitions) continue;
    for (const auto& definition : definitions->GetObject()) {
      const std::string body = json::render(definition.value);
      auto [known, is_new] = first.emplace(definition.name.GetString(), std::pair{std::string(name), body});
      if (!is_new) {
        EXPECT_EQ(known->second.second, body) << known->first << " in " << known->second.first << " and " << name;
      }
    }
  }
  EXPECT_GT(first.size(), 10u);
}

// Every property and every definition says what it means.
void expect_descriptions(const json::Value& value, const std::string& where) {
  for (const char* group : {"properties", "definitions"})
    if (const json::Value* members = json::object_or_null(value, group))
      for (const auto& member : members->GetObject()) {
        const std::string here = where + "/" + member.name.GetString();
        EXPECT_TRUE(json::find(member.value, "description") || json::find(member.value, "$ref")) << here;
        expect_descriptions(member.value, here);
      }
  if (const json::Value* items = json::object_or_null(value, "items")) expect_descriptions(*items, where + "[]");
}

TEST(Schemas, DescribeEveryProperty) {
  for (const auto& [name, text] : json::schema_texts()) {
    json::Document schema;
    schema.Parse(text.data(), text.size());
    expect_descriptions(schema, std::string(name));
  }
}

}  // namespace
}  // namespace anyvisor
