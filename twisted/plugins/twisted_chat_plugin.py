"""Makes ``twistd chat`` and ``twist chat`` exist. Every ``twistd`` start imports this file: it must stay light."""

from twisted.application.service import ServiceMaker

chat = ServiceMaker("Twisted Chat", "twisted_chat.tap", "A chat room reachable with whatever is on the machine.", "chat")
