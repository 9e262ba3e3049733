/* SPDX-License-Identifier: MIT */
/* A server with two threads. Two requests for /hang make each wait for the other's lock, and nobody is left to answer. */
import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

public class App {
	static final Object first = new Object(), second = new Object();
	static final AtomicInteger number = new AtomicInteger();
	static final CountDownLatch bothHold = new CountDownLatch(2);

	static void transfer(Object from, Object to) throws InterruptedException {
		synchronized (from) {
			bothHold.countDown();
			bothHold.await();
			synchronized (to) {
				System.out.println("transferred");
			}
		}
	}

	public static void main(String[] arguments) throws Exception {
		HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 8081), 0);
		server.setExecutor(Executors.newFixedThreadPool(2));
		server.createContext("/health", exchange -> {
			exchange.sendResponseHeaders(204, -1);
			exchange.close();
		});
		server.createContext("/hang", exchange -> {
			try {
				if (number.getAndIncrement() % 2 == 0)
					transfer(first, second);
				else
					transfer(second, first);
			} catch (InterruptedException e) {
				throw new RuntimeException(e);
			}
		});
		server.start();
	}
}
