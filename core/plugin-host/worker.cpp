// SPDX-License-Identifier: MIT
#include "worker.hpp"

namespace anyvisor::host {

Worker::Worker(std::function<void()> on_end) : on_end_(std::move(on_end)), thread_([this] { loop(); }) {}

Worker::~Worker() {
  {
    std::lock_guard guard(mutex_);
    end_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Worker::add(Job job) {
  {
    std::lock_guard guard(mutex_);
    waiting_.push_back(std::move(job));
  }
  changed_.notify_all();
}

std::shared_ptr<const Worker::Job> Worker::running() const {
  std::lock_guard guard(mutex_);
  if (!running_) return nullptr;
  return std::make_shared<Job>(
      Job{running_->client, running_->id, running_->name, running_->subject, running_->call, {}, {}});
}

bool Worker::idle() const {
  std::lock_guard guard(mutex_);
  return !running_ && waiting_.empty() && !finishing_;
}

void Worker::cancel(std::uint64_t client, std::uint64_t id) {
  std::lock_guard guard(mutex_);
  auto matches = [&](const Job& job) { return job.client == client && (id == 0 || job.id == id); };
  for (auto& job : waiting_)
    if (matches(job)) job.call->cancel();
  if (running_ && matches(*running_)) running_->call->cancel();
}

void Worker::set_subject(const std::string& subject) {
  std::lock_guard guard(mutex_);
  if (running_) running_->subject = subject;
}

void Worker::loop() {
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return end_ || !waiting_.empty(); });
      if (end_) return;
      job = std::make_shared<Job>(std::move(waiting_.front()));
      waiting_.pop_front();
      running_ = job;
    }
    job->run(*job->call);
    {
      std::lock_guard guard(mutex_);
      running_.reset();
      finishing_ = true;
    }
    if (job->done) job->done();
    {
      std::lock_guard guard(mutex_);
      finishing_ = false;
    }
    on_end_();
  }
}

}  // namespace anyvisor::host
