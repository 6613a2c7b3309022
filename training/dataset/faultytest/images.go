package faultytest

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

func images() []Dataset {
	user, answer := says("user", "a"), says("assistant", "b")
	good := uri("png", square(8, 8))
	shown := func(image string) string {
		return fmt.Sprintf(`{"role": "user", "content": [{"type": "image_url", "image_url": {"url": %q}}, {"type": "text", "text": "a"}]}`, image)
	}
	place := `{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "a"}]}`
	listed := func(messages, images string) string {
		return lines(chats(), `{"messages": [`+messages+`], "images": `+images+`}`)
	}
	pages := repeated(110, `{"query": "query #", "image": "`+good+`"}`)
	return []Dataset{
		sft(Images, "image as data URI", chats(turns(shown(good), answer))),
		sft(Images, "image in a place of a message", listed(turns(place, answer), `["`+good+`"]`)),
		sft(Images, "image at a mark in the text", listed(turns(says("user", "<image>a"), answer), `["`+good+`"]`)),
		sft(Images, "image without a place", listed(turns(user, answer), `["`+good+`"]`)),
		sft(Images, "more images than places", listed(turns(place, answer), `["`+good+`", "`+good+`"]`)),
		sft(Images, "place without an image", chats(turns(place, answer))),
		sft(Images, "image of the assistant", chats(turns(user, `{"role": "assistant", "content": [{"type": "image", "image": "`+good+`"}]}`))),
		sft(Images, "data that is not an image", chats(turns(shown(uri("png", "text")), answer))),
		sft(Images, "data that is not base64", chats(turns(shown("data:image/png;base64,*"), answer))),
		sft(Images, "truncated image", chats(turns(shown(uri("png", square(8, 8)[:40])), answer))),
		sft(Images, "image of another type than declared", chats(turns(shown(uri("jpeg", square(8, 8))), answer))),
		sft(Images, "too many pixels", chats(turns(shown(uri("png", square(100_000, 100_000))), answer))),
		sft(Images, "animated image", chats(turns(shown(uri("gif", moving())), answer))),
		sft(Images, "image of a number", chats(turns(`{"role": "user", "content": [{"type": "image", "image": 7}]}`, answer))),
		sft(Images, "image and caption in a text", lines(repeated(60, `{"text": "text #"}`), `{"text": "a", "image": "`+good+`"}`)),
		dpo(Images, "image in a pair", lines(pairs(), `{"prompt": [`+shown(good)+`], "chosen": [`+answer+`], "rejected": [`+says("assistant", "c")+`]}`)),
		embedding(Images, "query and image", pages),
		embedding(Images, "image and text for one side", lines(pages, `{"query": "a", "image": "`+good+`", "positive": "b"}`)),
		embedding(Images, "image beside rows of texts", lines(`{"anchor": "a", "positive": "b", "negative_image": "`+good+`"}`, triplets())),
	}
}

func uri(kind, data string) string {
	return "data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString([]byte(data))
}

// square is a PNG whose pixels nobody has to decode.
func square(width, height uint32) string {
	number := func(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
	chunk := func(kind, data string) string {
		return number(uint32(len(data))) + kind + data + number(crc32.ChecksumIEEE([]byte(kind+data)))
	}
	return "\x89PNG\r\n\x1a\n" + chunk("IHDR", number(width)+number(height)+"\x08\x00\x00\x00\x00") + chunk("IDAT", "x") + chunk("IEND", "")
}

// moving is a GIF of two frames of one pixel.
func moving() string {
	frame := "\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00"
	return "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff" + frame + frame + ";"
}
