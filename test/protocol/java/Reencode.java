import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

/**
 * Reads messages with the classes Kafka generates and writes each back, as bytes and as JSON.
 * In: class name (UTF), version (int16), bytes (int32 length). Out: bytes, JSON or the error (each with int32 length; no bytes on an error).
 */
public class Reencode {
    private static final Map<String, Method> CONVERTERS = new HashMap<>();

    public static void main(String[] args) throws Exception {
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(args[0]))));
             DataOutputStream out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(Path.of(args[1]))))) {
            while (true) {
                String name;
                try {
                    name = in.readUTF();
                } catch (EOFException end) {
                    return;
                }
                short version = in.readShort();
                byte[] bytes = in.readNBytes(in.readInt());
                try {
                    Message message = read(name, version, bytes);
                    write(out, MessageUtil.byteBufferToArray(MessageUtil.toByteBufferAccessor(message, version).buffer()));
                    write(out, json(name, message, version));
                } catch (Throwable failure) {
                    Throwable cause = failure.getCause() == null ? failure : failure.getCause();
                    write(out, new byte[0]);
                    write(out, ("error: " + cause).getBytes(StandardCharsets.UTF_8));
                }
            }
        }
    }

    private static Message read(String name, short version, byte[] bytes) throws Exception {
        Message message = (Message) Class.forName(name).getDeclaredConstructor().newInstance();
        if (version < message.lowestSupportedVersion() || version > message.highestSupportedVersion())
            throw new IllegalArgumentException("Kafka has versions " + message.lowestSupportedVersion() + "-" + message.highestSupportedVersion());
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        message.read(new ByteBufferAccessor(buffer), version);
        if (buffer.remaining() > 0) throw new IllegalArgumentException(buffer.remaining() + " bytes are left");
        return message;
    }

    private static byte[] json(String name, Message message, short version) throws Exception {
        Method converter = CONVERTERS.get(name);
        if (converter == null) {
            converter = Class.forName(name + "JsonConverter").getMethod("write", message.getClass(), short.class);
            CONVERTERS.put(name, converter);
        }
        return converter.invoke(null, message, version).toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void write(DataOutputStream out, byte[] bytes) throws Exception {
        out.writeInt(bytes.length);
        out.write(bytes);
    }
}
