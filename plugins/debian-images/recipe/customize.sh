# SPDX-License-Identifier: MIT
# Run by mmdebstrap once all packages are installed, with the new root as $1: what the guest is like.
set -eu
cd "$1"
suite=$(. etc/os-release && echo "${VERSION_CODENAME:-sid}")

# The guest fetches from Debian itself, whatever this machine uses.
rm -f etc/apt/sources.list etc/apt/sources.list.d/*
{
  printf 'Types: deb\nURIs: http://deb.debian.org/debian\nSuites: %s' "$suite"
  if [ "$suite" != sid ]; then printf ' %s-updates' "$suite"; fi
  printf '\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
  if [ "$suite" != sid ]; then
    printf '\nTypes: deb\nURIs: http://deb.debian.org/debian-security\nSuites: %s-security\n' "$suite"
    printf 'Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
  fi
} >etc/apt/sources.list.d/debian.sources

# The kernel that boots lies outside, beside the disk: a newer one inside would leave it without its modules.
chroot . sh -c 'dpkg-query -W -f "\${Package}\n" "linux-image-*" | xargs apt-mark hold' >/dev/null

printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >etc/hosts
printf 'LABEL=root / ext4 errors=remount-ro 0 1\n' >etc/fstab
printf 'localhost\n' >etc/hostname

# An initrd that finds its root on virtio disks, and on Hyper-V's: a small one is quick to read and to unpack.
printf 'MODULES=list\nCOMPRESS=zstd\nFSTYPE=ext4\n' >etc/initramfs-tools/conf.d/anyvisor
printf '%s\n' virtio_pci virtio_blk virtio_scsi ext4 >>etc/initramfs-tools/modules
cat >etc/initramfs-tools/hooks/anyvisor <<'HOOK'
#!/bin/sh
if [ "$1" = prereqs ]; then exit 0; fi
. /usr/share/initramfs-tools/hook-functions
manual_add_modules sd_mod hv_vmbus hv_storvsc crc32c_generic crc32c_intel
HOOK
chmod +x etc/initramfs-tools/hooks/anyvisor
chroot . update-initramfs -u

mkdir -p etc/cloud/cloud.cfg.d
cat >etc/cloud/cloud.cfg.d/90_anyvisor.cfg <<'CLOUD'
# The seed is a disk of the machine: nothing is asked of a network.
datasource_list: [NoCloud, None]
system_info:
  default_user:
    name: debian
    gecos: Debian
    lock_passwd: true
    groups: [adm, sudo]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
  network:
    renderers: [networkd]
# There are none in the image: those that a seed brings stay, others are made.
ssh_deletekeys: false
ssh_genkeytypes: [ed25519, ecdsa]
growpart: {mode: auto, devices: ["/"], ignore_growroot_disabled: false}
resize_rootfs: true
locale: C.UTF-8
# Names of mirrors are not looked up.
apt:
  preserve_sources_list: true
  primary: [{arches: [default], uri: "http://deb.debian.org/debian"}]
  security: [{arches: [default], uri: "http://deb.debian.org/debian-security"}]
# What a seed may ask for; the rest of the usual list costs time at each boot and serves other distributions.
cloud_init_modules: [bootcmd, write-files, growpart, resizefs, disk_setup, mounts, set_hostname, update_hostname,
  update_etc_hosts, ca-certs, users-groups, ssh]
cloud_config_modules: [ssh-import-id, set-passwords, apt-configure, ntp, timezone, locale, runcmd]
cloud_final_modules: [package-update-upgrade-install, write-files-deferred, scripts-vendor, scripts-per-once,
  scripts-per-boot, scripts-per-instance, scripts-user, ssh-authkey-fingerprints, phone-home, final-message,
  power-state-change]
CLOUD

# What cloud.cfg.d says: nothing is to be generated at the first boot.
mkdir -p etc/default
echo LANG=C.UTF-8 >etc/default/locale

unit() { mkdir -p "etc/systemd/system/$(dirname "$1")"; ln -sf "$2" "etc/systemd/system/$1"; }
# systemd-networkd does what cloud-init writes for it. A guest without a network does not wait for one for long.
chroot . systemctl enable systemd-networkd.service systemd-resolved.service
mkdir -p etc/systemd/system/systemd-networkd-wait-online.service.d
printf '[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=10\n' \
  >etc/systemd/system/systemd-networkd-wait-online.service.d/anyvisor.conf
# Upkeep and modules that a machine of minutes has no use for: under software emulation each costs up to a second.
printf 'blacklist %s\n' kvm_amd kvm_intel powernow_k8 psmouse >etc/modprobe.d/anyvisor.conf
for name in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  systemd-pstore.service getty@tty1.service; do
  unit "$name" /dev/null
done

# ssh over vsock, which needs no network: anyvisor comes in this way where no port is published. Where systemd makes such a
# unit by itself (from 256 on), this one, of the same name, is in its place. Not before sshd runs and has its keys; without
# a vsock device nobody connects.
cat >etc/systemd/system/sshd-vsock.socket <<'UNIT'
[Unit]
Description=OpenSSH server on vsock port 22
Documentation=man:sshd(8)
DefaultDependencies=no
After=ssh.service
Conflicts=shutdown.target
Before=shutdown.target
ConditionPathExists=!/etc/ssh/sshd_not_to_be_run

[Socket]
ListenStream=vsock::22
Accept=yes
MaxConnections=64

[Install]
WantedBy=ssh.service
UNIT
cat >etc/systemd/system/sshd-vsock@.service <<'UNIT'
[Unit]
Description=OpenSSH server for one connection over vsock
Documentation=man:sshd(8)
CollectMode=inactive-or-failed

[Service]
EnvironmentFile=-/etc/default/ssh
ExecStart=-/usr/sbin/sshd -i $SSHD_OPTS
StandardInput=socket
StandardError=journal
KillMode=process
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
UNIT
chroot . systemctl enable sshd-vsock.socket
