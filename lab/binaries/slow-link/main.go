// Command slow-link is a long and lossy way between a network link and a TAP device that it makes: each frame is passed on after a delay, and a
// share of them is lost. It needs no kernel module but TUN, so that it works where the kernel has no netem. It ends by a signal, and its device
// ends with it.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	headerBytes = 10          // struct virtio_net_hdr: checksums and segments that are still to be made
	frameBytes  = 65536 + 256 // a frame may hold many segments
	queueBytes  = 64 << 20    // what is under way in one direction; more is lost, as in any router
	allTypes    = 0x0003      // ETH_P_ALL
	arp         = 0x0806      // answered by routers, not over a wide area network: neither late nor lost
	ipv4        = 0x0800
	solPacket   = 263
	vnetHeader  = 15 // PACKET_VNET_HDR
	noOutgoing  = 23 // PACKET_IGNORE_OUTGOING
)

type frame struct {
	due   time.Time
	bytes []byte
}

// What is passed on late, and how much of it is lost.
type way struct {
	delay time.Duration
	loss  float64
	only  [4]byte // slow for this address alone; zero: for all
}

func main() {
	link := flag.String("link", "", "the link whose frames are taken")
	tap := flag.String("tap", "", "name of the TAP device that is made")
	delay := flag.Duration("delay", 0, "of each frame, in each direction")
	loss := flag.Float64("loss", 0, "share of frames that are lost in each direction, 0 to 1")
	seed := flag.Uint64("seed", 1, "of the generator that chooses what is lost")
	only := flag.String("only", "", "an IPv4 address: what does not go to it or come from it is passed on at once")
	flag.Parse()
	slow := way{delay: *delay, loss: *loss}
	if *only != "" {
		copy(slow.only[:], net.ParseIP(*only).To4())
	}
	near, err := openLink(*link)
	endOn(err)
	far, err := makeTap(*tap)
	endOn(err)
	go pass(near, far, slow, rand.New(rand.NewPCG(*seed, 1)))
	go pass(far, near, slow, rand.New(rand.NewPCG(*seed, 2)))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
}

func endOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pass reads what one end hands over, and writes it to the other one when its time has come; in order.
func pass(from, to int, slow way, random *rand.Rand) {
	var queued atomic.Int64
	late := make(chan frame, 1<<16)
	go func() {
		for next := range late {
			time.Sleep(time.Until(next.due))
			queued.Add(-int64(len(next.bytes)))
			// A link that is down, or full, loses it.
			_, _ = syscall.Write(to, next.bytes)
		}
	}()
	buffer := make([]byte, frameBytes)
	for {
		size, err := syscall.Read(from, buffer)
		if err != nil {
			// A link that is cut says so once; while its device is down, it says nothing else.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if size < headerBytes+14 {
			continue
		}
		if !slow.takes(buffer[headerBytes:size]) {
			_, _ = syscall.Write(to, buffer[:size])
			continue
		}
		if random.Float64() < slow.loss || queued.Load()+int64(size) > queueBytes {
			continue
		}
		queued.Add(int64(size))
		select {
		case late <- frame{time.Now().Add(slow.delay), append([]byte(nil), buffer[:size]...)}:
		default:
			queued.Add(-int64(size))
		}
	}
}

// takes says whether a frame is delayed, and may be lost.
func (slow way) takes(ethernet []byte) bool {
	kind := binary.BigEndian.Uint16(ethernet[12:14])
	if kind == arp {
		return false
	}
	if slow.only == [4]byte{} {
		return true
	}
	if kind != ipv4 || len(ethernet) < 34 {
		return false
	}
	return [4]byte(ethernet[26:30]) == slow.only || [4]byte(ethernet[30:34]) == slow.only
}

// openLink gives a socket for all frames that come in by a link, and for those that leave by it.
func openLink(name string) (int, error) {
	found, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("packet socket: %w", err)
	}
	for _, option := range []int{vnetHeader, noOutgoing} {
		if err := syscall.SetsockoptInt(socket, solPacket, option, 1); err != nil {
			return 0, fmt.Errorf("packet socket, option %d: %w", option, err)
		}
	}
	_ = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 32<<20)
	return socket, syscall.Bind(socket, &syscall.SockaddrLinklayer{Protocol: bigEndian(allTypes), Ifindex: found.Index})
}

func bigEndian(value uint16) uint16 { return value<<8 | value>>8 }

// makeTap gives the file of a new device; what is written to it has come in by the device.
func makeTap(name string) (int, error) {
	file, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("/dev/net/tun: %w", err)
	}
	var request struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:15], name)
	request.flags = syscall.IFF_TAP | syscall.IFF_NO_PI | syscall.IFF_VNET_HDR
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(file), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return 0, fmt.Errorf("TAP device %s: %w", name, errno)
	}
	return file, nil
}
