// SPDX-License-Identifier: MIT
// The operations of an instance, one file each. Each checks, prepares, does and records, with undo next to do. Manager
// is a thin layer over these; manager.hpp says what each means and which errors it has.
#pragma once

#include "anyvisor/manager.hpp"
#include "instance/phase_clock.hpp"
#include "instance/workspace.hpp"

namespace anyvisor {

Result<std::string> launch(const Workspace& workspace, const LaunchRequest& request, PhaseClock& clock);  // the new id
Result<std::string> clone(const Workspace& workspace, const CloneRequest& request, PhaseClock& clock);    // the new id
Result<std::vector<IdentityChange>> plan_clone(const Workspace& workspace, const CloneRequest& request,
                                               PhaseClock& clock);
Result<void> prepare(const Workspace& workspace, const std::string& instance, PhaseClock& clock);
Result<std::string> compact(const Workspace& workspace, const std::string& instance, PhaseClock& clock);  // its id
Result<std::vector<IdentityUnitInfo>> identity_units(const Workspace& workspace, Operation& operation);
struct Changed {
  std::string id;
  bool already = false;  // it was so before: nothing was done
};
Result<Changed> start(const Workspace& workspace, const std::string& instance, const StartRequest& request,
                      PhaseClock& clock);
Result<Changed> standby(const Workspace& workspace, const std::string& instance, const StandbyRequest& request,
                        PhaseClock& clock);
Result<std::string> restore(const Workspace& workspace, const std::string& instance, PhaseClock& clock);
Result<Changed> pause(const Workspace& workspace, const std::string& instance, PhaseClock& clock);
Result<Changed> resume(const Workspace& workspace, const std::string& instance, PhaseClock& clock);
struct Stopped {
  std::string id;
  bool forced = false;   // although the guest had been asked
  std::string warning;   // why; or empty
  bool already = false;  // it was so before: nothing was done
};
Result<Stopped> stop(const Workspace& workspace, const std::string& instance, const StopRequest& request,
                     PhaseClock& clock);
Result<Stopped> restart(const Workspace& workspace, const std::string& instance, const RestartRequest& request,
                        PhaseClock& clock);
Result<void> remove(const Workspace& workspace, const std::string& instance, const DeleteRequest& request,
                    PhaseClock& clock);
Result<Changed> undelete(const Workspace& workspace, const std::string& instance, PhaseClock& clock);
Result<void> purge(const Workspace& workspace, const std::string& instance, PhaseClock& clock);
Result<Changed> rename(const Workspace& workspace, const std::string& instance, const std::string& name,
                       PhaseClock& clock);
Result<std::string> change(const Workspace& workspace, const std::string& instance, const ChangeRequest& request,
                           PhaseClock& clock);  // its id
Result<std::vector<Leftover>> prune(const Workspace& workspace, const PruneRequest& request, PhaseClock& clock);

Result<std::vector<InstanceInfo>> list(const Workspace& workspace);
Result<InstanceInfo> info(const Workspace& workspace, const std::string& instance);

Result<ImageInfo> import_image(const Workspace& workspace, const ImportRequest& request, PhaseClock& clock);
Result<std::vector<ImageInfo>> images(const Workspace& workspace);
Result<ImageInfo> image(const Workspace& workspace, const std::string& image);
Result<void> remove_image(const Workspace& workspace, const std::string& image, PhaseClock& clock);

Result<std::vector<Finding>> examine_host(const Workspace& workspace, Operation& operation);

}  // namespace anyvisor
