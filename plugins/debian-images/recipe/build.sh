# SPDX-License-Identifier: MIT
# Builds one image. Run by bash as root of namespaces of its own (user, mount, pid), where it is the first process:
# whatever ends it ends all it started, and no mount outlives it.
#   $1  a new empty folder: everything goes there; disk, kernel and initrd end up in $1/result, and what the manifest
#       says of them in $1/command-line, $1/size and $1/sha256
#   $2  the suite           $3  the archive's address; empty: as this machine reaches it
# in the environment: HOST_APT (scripts/host-apt.sh), CUSTOMIZE (customize.sh), both as text
# Descriptor 3 is the lock of this build: while one of its processes lives, no other build begins. Descriptor 4 takes
# all output: lines "phase: WORDS" and what mmdebstrap and apt print, which the plugin reads.
set -euo pipefail
exec >&4 2>&1 4>&-
work=$1 suite=$2 mirror=$3
root=$work/root result=$work/result disk=$work/disk.raw
umask 022
cd /

MiB=$((1024 * 1024))
disk_size=4096 # MiB; launch makes it larger on demand, and cloud-init grows the file system
esp_at=1 esp_size=127 root_at=128
root_size=$((disk_size - root_at - 1)) # the last MiB holds the second partition table

packages=systemd-sysv,udev,dbus,login,passwd,kmod,procps,iproute2,iputils-ping,less,ca-certificates,e2fsprogs,fdisk
packages+=,cloud-init,cloud-guest-utils,openssh-server,sudo,qemu-guest-agent,linux-image-cloud-amd64,initramfs-tools,zstd
packages+=,libnss-myhostname # sudo looks the machine's own name up, also where nothing answers
if [ "$suite" != bullseye ]; then packages+=,systemd-resolved; fi # there it is a part of systemd

sources=() options=()
if [ -n "$mirror" ]; then
  sources=("deb $mirror $suite main")
else
  eval "$HOST_APT"
  while read -r file; do sources+=("$file"); done < <(host_apt_sources "$suite")
  while read -r line; do options+=("--aptopt=${line%;}"); done < <(host_apt_options)
fi

mkdir -p "$root"
# unsafe-io: a tree that is not finished is thrown away.
mmdebstrap --verbose --mode=root --variant=minbase --architectures=amd64 --include="$packages" \
  --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --aptopt='Acquire::Languages "none"' "${options[@]}" --customize-hook="$CUSTOMIZE" \
  "$suite" "$root" "${sources[@]}" </dev/null

echo "phase: making the disk"
kernel=$(echo "$root"/boot/vmlinuz-*) initrd=$(echo "$root"/boot/initrd.img-*)
if [ ! -f "$kernel" ] || [ ! -f "$initrd" ]; then
  echo "E: $suite brought not exactly one kernel and one initrd: $kernel $initrd" >&2
  exit 1
fi
options="root=LABEL=root rw console=tty0 console=ttyS0 loglevel=4"
mkdir "$result"
cp "$kernel" "$result/kernel"
cp "$initrd" "$result/initrd"
echo "$options" >"$work/command-line"

# What makes one machine differ from another is not in an image. Done last: mmdebstrap writes some of it.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id "$root"/var/lib/systemd/random-seed \
  "$root"/var/lib/systemd/credential.secret "$root"/etc/hostname "$root"/etc/resolv.conf \
  "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
rm -rf "$root"/dev/* "$root"/run/* "$root"/tmp/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
: >"$root/etc/machine-id"
ln -s ../run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"
# Nothing is out of date at the first boot: no ldconfig, no hwdb.
touch "$root/usr" "$root/etc/.updated" "$root/var/.updated"

truncate -s "$((disk_size * MiB))" "$disk"
sfdisk --quiet "$disk" <<TABLE
label: gpt
start=${esp_at}MiB, size=${esp_size}MiB, type=uefi, name=esp
start=${root_at}MiB, size=${root_size}MiB, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709, name=root
TABLE
mkfs.vfat -F 32 -s 1 -n ESP --offset $((esp_at * MiB / 512)) "$disk" $((esp_size * 1024)) >/dev/null
esp=$disk@@$((esp_at * MiB))
mkdir -p "$work/esp/loader/entries"
printf 'timeout 0\ndefault debian.conf\n' >"$work/esp/loader/loader.conf"
printf 'title Debian\nlinux /debian/kernel\ninitrd /debian/initrd\noptions %s\n' "$options" \
  >"$work/esp/loader/entries/debian.conf"
mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/debian
mcopy -i "$esp" /usr/lib/systemd/boot/efi/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$esp" "$result/kernel" "$result/initrd" ::/debian/
mcopy -s -i "$esp" "$work/esp/loader" ::/
# Without orphan_file and metadata_csum_seed, which the fsck of older suites does not know.
mke2fs -q -F -t ext4 -L root -O ^orphan_file,^metadata_csum_seed \
  -E "root_owner=0:0,assume_storage_prezeroed=1,offset=$((root_at * MiB))" -d "$root" "$disk" "${root_size}M"
qemu-img convert -f raw -O qcow2 "$disk" "$result/disk.qcow2"

echo "phase: computing the digest"
sha256sum <"$result/disk.qcow2" | cut -d ' ' -f 1 >"$work/sha256"
echo "$((disk_size * MiB))" >"$work/size"
